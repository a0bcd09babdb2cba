// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// TRANSFER: a copy between two lists of segments.
#include <algorithm>
#include <array>

#include "execution.hpp"

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
    Memory& memory = execution.memory;
    SegmentReader dst(memory, transfer.dst, transfer.dst_count);
    SegmentReader src(memory, transfer.src, transfer.src_count);
    for (std::uint64_t left = transfer.bytes; left > 0;) {
        if (Status status = src.settle(); status != ACCEL_OK) {
            return status;
        }
        if (Status status = dst.settle(); status != ACCEL_OK) {
            return status;
        }
        const auto now = std::min<std::uint64_t>({left, src.segment().bytes, dst.segment().bytes});
        if (Status status = memory.copy(dst.segment().address, src.segment().address, now,
                                        execution.scratch.bounce());
            status != ACCEL_OK) {
            return status;
        }
        src.advance(now);
        dst.advance(now);
        left -= now;
    }
    return ACCEL_OK;
}

}  // namespace accel::card
