// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Counters of the card and of its queues. They are statistics and synchronize nothing: every access
// is relaxed, because a reader only wants a recent value.
#pragma once

#include <atomic>
#include <cstdint>

namespace accel::card {

class Counter {
  public:
    void add(std::uint64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }
    void reset() { value_.store(0, std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

// A value that one thread at a time writes, and any thread reads.
template <typename T>
class Published {
  public:
    void set(T value) { value_.store(value, std::memory_order_relaxed); }
    void add(T amount) { set(read() + amount); }
    [[nodiscard]] T read() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<T> value_{};
};

struct Traffic {
    Counter host_read;
    Counter host_written;
    Counter memory_read;
    Counter memory_written;

    void reset() {
        host_read.reset();
        host_written.reset();
        memory_read.reset();
        memory_written.reset();
    }
};

// The values of the counter registers. Busy times of the engines are in sensors.hpp.
struct Counters {
    Counter commands;
    Counter doorbells;
    Counter interrupts;
    Counter tlb_misses;
    Counter faults;
    Traffic traffic;

    void reset() {
        commands.reset();
        doorbells.reset();
        interrupts.reset();
        tlb_misses.reset();
        faults.reset();
        traffic.reset();
    }
};

}  // namespace accel::card
