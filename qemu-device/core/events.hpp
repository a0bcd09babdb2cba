// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The event queue: the events that the card reports to the driver, such as faults and errors.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "accel_hw.h"
#include "bus.hpp"

namespace accel::card {

struct EventRing {
    std::uint64_t address = 0;
    std::uint32_t entries = 0;
};

// An event that names no context, queue or command.
[[nodiscard]] accel_event plain_event(accel_event_type type, accel_status status);

class Events {
  public:
    explicit Events(Bus& bus) : bus_(bus) {}

    // ---- the card's threads: the mutex is held across the callbacks that write the ring, so the
    // host's side must not take it

    void start(const EventRing& ring);
    void stop();
    // Writes an event and raises vector 0. False: the bus refused. Without a ring it does nothing.
    [[nodiscard]] bool post(accel_event event);

    // ---- any thread

    void set_consumed(std::uint32_t head) { consumed_.store(head, std::memory_order_relaxed); }
    [[nodiscard]] std::uint32_t consumed() const {
        return consumed_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint32_t lost() const { return lost_.load(std::memory_order_relaxed); }
    // For the defect `events`: every event is dropped, as if the ring were full.
    void set_dropped(bool dropped) { dropped_.store(dropped, std::memory_order_relaxed); }
    // For the defect `duplicates`: every event is written twice.
    void set_doubled(bool doubled) { doubled_.store(doubled, std::memory_order_relaxed); }
    void clear_lost() { lost_.store(0, std::memory_order_relaxed); }

  private:
    // Writes an event, or counts it as lost. False: the bus refused. The caller holds mutex_.
    [[nodiscard]] bool write(accel_event event);

    Bus& bus_;
    std::mutex mutex_;
    EventRing ring_;
    std::uint64_t written_ = 0;
    std::atomic<std::uint32_t> consumed_{0};
    std::atomic<std::uint32_t> lost_{0};
    std::atomic<bool> dropped_{false};
    std::atomic<bool> doubled_{false};
};

}  // namespace accel::card
