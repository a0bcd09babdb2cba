// SPDX-License-Identifier: Apache-2.0
//
// The work of the cases and their peers: copies of a few KiB between host and device memory. Each
// copy has its own slot, so that every one can be checked afterwards.
#pragma once

#include <sys/mman.h>

#include <accel/accel.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "report.hpp"

namespace accel::bench {

/// Anonymous memory of 4 KiB pages that are already allocated.
class Pages {
  public:
    explicit Pages(std::size_t bytes) : bytes_(bytes) {
        void* const start =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) {
            throw std::bad_alloc();
        }
        start_ = static_cast<std::uint32_t*>(start);
        madvise(start_, bytes_, MADV_NOHUGEPAGE);
        fill(0);
    }
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;
    Pages(Pages&&) = delete;
    Pages& operator=(Pages&&) = delete;
    ~Pages() { munmap(start_, bytes_); }

    /// Fills it: the words differ from each other, and from those of another seed.
    void fill(std::uint32_t seed) {
        for (std::uint32_t i = 0; i < span().size(); ++i) {
            start_[i] = (i + seed) * 2654435761U + seed;
        }
    }
    [[nodiscard]] std::span<std::uint32_t> span() const {
        return {start_, bytes_ / sizeof(std::uint32_t)};
    }
    [[nodiscard]] std::uint32_t* data() const { return start_; }

  private:
    std::uint32_t* start_;
    std::size_t bytes_;
};

/// Copies from registered memory of this program to device memory, `slots` of them.
class Copies {
  public:
    Copies(const Device& card, std::size_t slots, std::size_t bytes)
        : card_(card),
          words_(bytes / sizeof(std::uint32_t)),
          memory_(slots * bytes),
          host_(card.register_memory(memory_.span())),
          device_(card.allocate_device<std::uint32_t>({slots * words_})) {
        for (std::size_t i = 0; i < slots; ++i) {
            sources_.push_back(host_.slice(i * words_, words_));
            destinations_.push_back(device_.slice(i * words_, words_));
            commands_.emplace_back(accel::copy(destinations_.back(), sources_.back()));
        }
    }

    [[nodiscard]] std::span<const Command> commands() const { return commands_; }
    [[nodiscard]] Copy fresh(std::size_t slot) const {
        return accel::copy(destinations_[slot], sources_[slot]);
    }
    /// Writes new data into the sources, and clears the destinations.
    void poison(Queue& queue, std::uint32_t seed) {
        memory_.fill(seed);
        queue.submit(accel::fill(device_, 0xdeadbeefU)).wait();
    }
    /// True if all copies arrived.
    [[nodiscard]] bool arrived(Queue& queue) const {
        std::vector<std::uint32_t> got(device_.size());
        accel::download(card_, queue, std::span(got), device_);
        return std::ranges::equal(got, memory_.span());
    }

  private:
    const Device& card_;
    std::size_t words_;
    Pages memory_;
    Buffer<std::uint32_t> host_;
    Buffer<std::uint32_t> device_;
    std::vector<Buffer<std::uint32_t>> sources_;
    std::vector<Buffer<std::uint32_t>> destinations_;
    std::vector<Command> commands_;
};

/// Spins uncounted until the queue is idle, then checks its last job once, counted.
[[gnu::always_inline]] inline void see_finished(Region& region, const Queue& queue,
                                                const Job& job) {
    region.pause();
    while (queue.pending() != 0) {
    }
    region.resume();
    if (!job.done()) {
        std::terminate();
    }
}

}  // namespace accel::bench
