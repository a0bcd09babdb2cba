// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The sensors of the card: temperature, power and clock, derived from the load of the engines by a
// first-order model of a small card with a fan. Without a timing model it changes the readings, but
// not how fast the emulation computes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "engine.hpp"

namespace accel::card {

// Counts the ticks in which an engine worked, including the running command.
class BusyMeter {
  public:
    // One thread at a time. An engine with several channels is busy while any of them is.
    void begin(std::uint64_t now) {
        if (working_++ == 0) {
            since_.store(now, std::memory_order_relaxed);
        }
    }
    void end(std::uint64_t now) {
        if (--working_ == 0) {
            const std::uint64_t since = since_.exchange(idle, std::memory_order_relaxed);
            total_.fetch_add(now > since ? now - since : 0, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] std::uint64_t read(std::uint64_t now) const {
        const std::uint64_t since = since_.load(std::memory_order_relaxed);
        const std::uint64_t total = total_.load(std::memory_order_relaxed);
        return since == idle || now < since ? total : total + (now - since);
    }
    void reset() { total_.store(0, std::memory_order_relaxed); }

  private:
    static constexpr std::uint64_t idle = UINT64_MAX;
    std::atomic<std::uint64_t> total_{0};
    std::atomic<std::uint64_t> since_{idle};
    std::uint32_t working_ = 0;
};

using BusyMeters = std::array<BusyMeter, engine_count>;

class Sensors {
  public:
    static constexpr std::uint32_t power_cap_min = 20'000;  // milliwatts
    static constexpr std::uint32_t power_cap_max = 75'000;
    static constexpr std::uint32_t max_clock = 1'000;  // MHz

    struct Reading {
        std::int32_t temperature;  // thousandths of a degree Celsius
        std::uint32_t power;       // milliwatts
        std::uint32_t clock;       // MHz
        bool throttled;
    };

    explicit Sensors(const BusyMeters& meters) : meters_(meters) {}

    // The readings at tick `now`. Any thread may call it.
    [[nodiscard]] Reading read(std::uint64_t now);

    // The clock as a share of the full clock.
    [[nodiscard]] double clock_share(std::uint64_t now) {
        return read(now).clock / double{max_clock};
    }

    // Returns true once each time the card gets too hot. Engines call it after every command.
    [[nodiscard]] bool overheated(std::uint64_t now);

    void set_power_cap(std::uint32_t milliwatts);
    [[nodiscard]] std::uint32_t power_cap() const;
    void reset();

    // The temperature of the air around the card, in thousandths of a degree Celsius.
    void set_ambient(std::int32_t millicelsius);
    [[nodiscard]] std::int32_t ambient() const;

  private:
    void advance(std::uint64_t now);

    const BusyMeters& meters_;
    mutable std::mutex mutex_;  // held briefly; no callback is called under it
    std::uint32_t power_cap_ = power_cap_max;
    std::uint64_t sampled_ = 0;
    std::array<std::uint64_t, engine_count> busy_{};
    std::array<double, engine_count> load_{};
    double ambient_ = 35.0;  // degrees Celsius
    double celsius_ = 0;     // above ambient
    bool hot_ = false;       // the clock is halved
    bool announce_ = false;  // overheated() has not returned true yet
    Reading reading_{};
    std::atomic<std::uint64_t> next_check_{0};
};

}  // namespace accel::card
