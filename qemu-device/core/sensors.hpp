// SPDX-License-Identifier: GPL-2.0
//
// Temperature, power and clock, derived from how busy the engines are: a first-order model of a
// small card with a fan. It changes what the sensors say, not how fast the emulation computes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "queue.hpp"

namespace accel::card {

// Ticks an engine has worked, with what runs now.
class BusyMeter {
  public:
    // By one thread at a time. With several channels in it an engine is busy when one of them is.
    void begin(uint64_t now) {
        if (working_++ == 0) {
            since_.store(now, std::memory_order_relaxed);
        }
    }
    void end(uint64_t now) {
        if (--working_ == 0) {
            const uint64_t since = since_.exchange(kIdle, std::memory_order_relaxed);
            total_.fetch_add(now > since ? now - since : 0, std::memory_order_relaxed);
        }
    }
    [[nodiscard]] uint64_t read(uint64_t now) const {
        const uint64_t since = since_.load(std::memory_order_relaxed);
        const uint64_t total = total_.load(std::memory_order_relaxed);
        return since == kIdle || now < since ? total : total + (now - since);
    }
    void reset() { total_.store(0, std::memory_order_relaxed); }

  private:
    static constexpr uint64_t kIdle = UINT64_MAX;
    std::atomic<uint64_t> total_{0};
    std::atomic<uint64_t> since_{kIdle};
    uint32_t working_ = 0;
};

using BusyMeters = std::array<BusyMeter, kEngines>;

class Sensors {
  public:
    static constexpr uint32_t kPowerCapMin = 20'000;  // milliwatts
    static constexpr uint32_t kPowerCapMax = 75'000;
    static constexpr uint32_t kMaxClock = 1'000;  // MHz

    struct Reading {
        int32_t temperature;  // thousandths of a degree Celsius
        uint32_t power;       // milliwatts
        uint32_t clock;       // MHz
        bool throttled;
    };

    explicit Sensors(const BusyMeters& meters) : meters_(meters) {}

    // What the sensors say now. Any thread.
    [[nodiscard]] Reading read(uint64_t now);

    // What is left of the full clock.
    [[nodiscard]] double clock_share(uint64_t now) { return read(now).clock / double{kMaxClock}; }

    // True once each time the card got too hot. For the engines, which look now and then.
    [[nodiscard]] bool overheated(uint64_t now);

    void set_power_cap(uint32_t milliwatts);
    [[nodiscard]] uint32_t power_cap() const;
    void reset();

    // Of the air around the card, thousandths of a degree Celsius.
    void set_ambient(int32_t millicelsius);
    [[nodiscard]] int32_t ambient() const;

  private:
    void advance(uint64_t now);

    const BusyMeters& meters_;
    mutable std::mutex mutex_;  // short; nothing is called under it
    uint32_t cap_ = kPowerCapMax;
    uint64_t sampled_ = 0;
    std::array<uint64_t, kEngines> busy_{};
    std::array<double, kEngines> load_{};
    double ambient_ = 35.0;  // degrees Celsius
    double celsius_ = 0;     // above ambient
    bool hot_ = false;
    bool announce_ = false;
    Reading reading_{};
    std::atomic<uint64_t> next_look_{0};
};

}  // namespace accel::card
