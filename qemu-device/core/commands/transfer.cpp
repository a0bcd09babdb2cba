// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// TRANSFER: a copy between two lists of segments.
#include <algorithm>
#include <array>

#include "units.hpp"

namespace accel::card {

namespace {

// Reads one of the two lists, a group of segments at a time. Each segment is copied once and then
// used, so the host cannot change it in between.
class SegmentReader {
  public:
    SegmentReader(Memory& memory, std::uint64_t list, std::uint32_t count)
        : memory_(memory), list_(list), left_(count) {}

    // Advances segment() to one that has bytes left. ACCEL_BAD_SIZE: the list has ended.
    [[nodiscard]] Status settle() {
        while (segments_[next_].bytes == 0) {
            if (++next_ < held_) {
                continue;
            }
            if (left_ == 0) {
                return ACCEL_BAD_SIZE;
            }
            held_ = std::min<std::uint32_t>(left_, segments_.size());
            if (Status status =
                    memory_.read_block(list_, segments_.data(), held_ * sizeof(accel_segment));
                status != ACCEL_OK) {
                return status;
            }
            list_ += held_ * sizeof(accel_segment);
            left_ -= held_;
            next_ = 0;
        }
        return ACCEL_OK;
    }

    [[nodiscard]] const accel_segment& segment() const { return segments_[next_]; }

    void advance(std::uint64_t bytes) {
        segments_[next_].address += bytes;
        segments_[next_].bytes -= bytes;
    }

  private:
    Memory& memory_;
    std::uint64_t list_;
    std::uint32_t left_;      // segments not read yet
    std::uint32_t held_ = 0;  // segments in the buffer
    std::uint32_t next_ = 0;  // the current segment
    std::array<accel_segment, 64> segments_{};
};

// Some consecutive copies of a TRANSFER.
class Batch {
  public:
    struct Item {
        std::uint64_t dst;
        std::uint64_t src;
        std::uint64_t bytes;
    };

    [[nodiscard]] std::span<const Item> items() const { return std::span(items_).first(count_); }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] bool full() const { return count_ == items_.size(); }
    void add(const Item& item) {
        items_[count_++] = item;
        bytes_ += item.bytes;
    }
    void clear() {
        count_ = 0;
        bytes_ = 0;
    }

    // Whether no copy writes what another one reads or writes.
    [[nodiscard]] bool is_independent() const {
        std::array<Extent, max_items> sinks;
        std::array<Extent, max_items> sources;
        for (std::size_t i = 0; i < count_; ++i) {
            sinks[i] = {items_[i].dst, items_[i].bytes};
            sources[i] = {items_[i].src, items_[i].bytes};
        }
        const auto sorted_sinks = std::span(sinks).first(count_);
        const auto sorted_sources = std::span(sources).first(count_);
        std::ranges::sort(sorted_sinks, {}, &Extent::begin);
        std::ranges::sort(sorted_sources, {}, &Extent::begin);
        const auto overlap = [](const Extent& a, const Extent& b) { return a.overlaps(b); };
        if (std::ranges::adjacent_find(sorted_sinks, overlap) != sorted_sinks.end()) {
            return false;
        }
        // The range that begins first ends before the other one and all that follow it.
        for (auto sink = sorted_sinks.begin(), source = sorted_sources.begin();
             sink != sorted_sinks.end() && source != sorted_sources.end();) {
            if (sink->overlaps(*source)) {
                return false;
            }
            if (sink->begin < source->begin) {
                ++sink;
            } else {
                ++source;
            }
        }
        return true;
    }

  private:
    static constexpr std::size_t max_items = 256;
    std::array<Item, max_items> items_;
    std::size_t count_ = 0;
    std::uint64_t bytes_ = 0;
};

// Runs a batch. A unit is a copy.
class BatchCopy {
  public:
    BatchCopy(Execution& execution, const Batch& batch)
        : memory_(execution.memory), bounce_(execution.scratch.bounce()), batch_(batch) {}

    [[nodiscard]] Status check() const { return ACCEL_OK; }
    [[nodiscard]] Units units() const {
        const auto count = static_cast<double>(batch_.items().size());
        const double nanoseconds = 100 * count + static_cast<double>(batch_.bytes()) / 10;
        const bool shared = nanoseconds >= min_shared_nanoseconds && batch_.is_independent();
        return {.count = batch_.items().size(), .nanoseconds = shared ? nanoseconds / count : 0};
    }
    [[nodiscard]] Status run(const UnitRange& range) {
        for (const Batch::Item& item :
             batch_.items().subspan(range.first, range.last - range.first)) {
            if (Status status = memory_.copy(item.dst, item.src, item.bytes, bounce_);
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    Memory& memory_;
    const std::span<std::uint8_t> bounce_;
    const Batch& batch_;
};

class Transfer {
  public:
    explicit Transfer(Execution& execution)
        : execution_(execution),
          left_(execution.command.transfer.bytes),
          dst_(execution.memory, execution.command.transfer.dst,
               execution.command.transfer.dst_count),
          src_(execution.memory, execution.command.transfer.src,
               execution.command.transfer.src_count) {}

    [[nodiscard]] Status run() {
        while (left_ > 0) {
            const Status listed = execution_.crew != nullptr ? collect() : collect_one();
            // The data before the end of a list is copied.
            BatchCopy copy(execution_, batch_);
            if (Status status = run_units(execution_, copy, batch_); status != ACCEL_OK) {
                return status;
            }
            if (listed != ACCEL_OK) {
                return listed;
            }
            batch_.clear();
        }
        return ACCEL_OK;
    }

  private:
    // About what all threads of a large machine copy between two preparations.
    static constexpr std::uint64_t max_bytes = std::uint64_t{16} << 20;

    [[nodiscard]] Status collect() {
        while (left_ > 0 && !batch_.full() && batch_.bytes() < max_bytes) {
            if (Status status = add(piece_bytes); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }
    [[nodiscard]] Status collect_one() { return add(UINT64_MAX); }

    [[nodiscard]] Status add(std::uint64_t limit) {
        if (Status status = src_.settle(); status != ACCEL_OK) {
            return status;
        }
        if (Status status = dst_.settle(); status != ACCEL_OK) {
            return status;
        }
        const auto now =
            std::min<std::uint64_t>({left_, limit, src_.segment().bytes, dst_.segment().bytes});
        batch_.add({.dst = dst_.segment().address, .src = src_.segment().address, .bytes = now});
        src_.advance(now);
        dst_.advance(now);
        left_ -= now;
        return ACCEL_OK;
    }

    Execution& execution_;
    std::uint64_t left_;
    SegmentReader dst_;
    SegmentReader src_;
    Batch batch_;
};

}  // namespace

Status run_transfer(Execution& execution) {
    const accel_transfer& transfer = execution.command.transfer;
    if (!all_zero(transfer.reserved)) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(transfer.dst, sizeof(accel_segment)) ||
        !aligned(transfer.src, sizeof(accel_segment))) {
        return ACCEL_BAD_ALIGNMENT;
    }
    if (transfer.dst_count > max_segments || transfer.src_count > max_segments) {
        return ACCEL_BAD_SIZE;
    }
    return Transfer(execution).run();
}

}  // namespace accel::card
