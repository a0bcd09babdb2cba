// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The timing model: it charges the card's shared resources, and so decides how long a command
// takes.
//
// Each task has a LocalTime, its own view of virtual time. A command uses the link in both
// directions, device memory and the arithmetic units at the same time, as buffered hardware does.
// Each resource has a cursor in the local time, and the command ends when the last resource
// finishes. A step that needs the data of a read waits for all resources (Blocking). A resource
// that another task occupies is available later. Small packets are interleaved with long transfers,
// and delay them.
//
// Local time may be ahead of the clock; settle() lets the clock catch up. The rates and latencies
// are in accel_timing.h. link.hpp computes the time of transfers on the link.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "accel_timing.h"
#include "link.hpp"
#include "local_time.hpp"
#include "timeline.hpp"

namespace accel::card {

// The kinds of arithmetic, each with a rate.
enum class Work : std::uint8_t { macs, elements, specials };

class TimingModel {
  public:
    TimingModel(const accel_core_link& link, Timeline& timeline)
        : link_(link), timeline_(timeline) {}

    // ---- the local time of the running task

    [[nodiscard]] LocalTime& local_time() const { return timeline_.current()->local_time; }
    // In ticks, rounded up.
    [[nodiscard]] std::uint64_t now() const {
        return (local_time().latest() + picoseconds_per_tick - 1) / picoseconds_per_tick;
    }
    void wait_until(std::uint64_t tick) {
        local_time().join(std::max(local_time().latest(), tick * picoseconds_per_tick));
    }
    void spend(std::uint64_t ticks) {
        local_time().join(local_time().latest() + ticks * picoseconds_per_tick);
    }

    void host_read(std::uint64_t address, std::uint64_t bytes);
    void host_write(std::uint64_t address, std::uint64_t bytes);
    void memory(std::uint64_t bytes);
    void work(Work kind, std::uint64_t count);
    // The core clock, as a share of the full clock.
    void set_clock_share(double share) { clock_share_ = share; }

    // Waits until the clock reaches the local time. The fiber yields, so the caller must hold no
    // mutex and no AccessGuard.
    void settle() { settle(0); }
    // The same, and `ticks` longer: until earlier writes have arrived.
    void settle(std::uint64_t ticks) { timeline_.sleep_until(now() + ticks); }

    // ---- outside of a task

    // When a packet arrives that the host sends now.
    [[nodiscard]] std::uint64_t arrival() const { return timeline_.now() + ACCEL_TIMING_LINK; }
    [[nodiscard]] Timeline& timeline() { return timeline_; }

  private:
    void use(Resource resource, Picoseconds duration, bool small);
    [[nodiscard]] Picoseconds& available(Resource resource) {
        return available_[static_cast<std::size_t>(resource)];
    }
    [[nodiscard]] Picoseconds& cursor(Resource resource) const {
        return local_time().finished[static_cast<std::size_t>(resource)];
    }

    Link link_;
    Timeline& timeline_;
    std::array<Picoseconds, resource_count> available_{};  // when each accepts long transfers again
    double clock_share_ = 1.0;
};

// The guards below do nothing in a card without a timing model.

// Data that is read while the guard exists must have arrived before the task continues.
class Blocking {
  public:
    explicit Blocking(TimingModel* timing) : timing_(timing) { join(); }
    ~Blocking() { join(); }
    Blocking(const Blocking&) = delete;
    Blocking& operator=(const Blocking&) = delete;
    Blocking(Blocking&&) = delete;
    Blocking& operator=(Blocking&&) = delete;

  private:
    void join() {
        if (timing_ != nullptr) {
            timing_->local_time().join();
        }
    }
    TimingModel* timing_;
};

// Work that is charged while the guard exists overlaps the work after it, and does not delay it.
class Overlapped {
  public:
    explicit Overlapped(TimingModel* timing) : timing_(timing) {
        if (timing_ != nullptr) {
            before_ = timing_->local_time();
        }
    }
    ~Overlapped() {
        if (timing_ != nullptr) {
            timing_->local_time() = before_;
        }
    }
    Overlapped(const Overlapped&) = delete;
    Overlapped& operator=(const Overlapped&) = delete;
    Overlapped(Overlapped&&) = delete;
    Overlapped& operator=(Overlapped&&) = delete;

  private:
    TimingModel* timing_;
    LocalTime before_;
};

}  // namespace accel::card
