// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The thermal and power model behind the sensors.
#include "sensors.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace accel::card {

namespace {

constexpr double idle_power = 12.0;                // watts
constexpr std::array engine_power{10., 48.};       // watts at full load and clock: DMA, compute
constexpr double thermal_resistance = 0.85;        // degrees per watt: 94.5 degrees at full load
constexpr double thermal_time = 8.0;               // seconds
constexpr double load_time = 0.25;                 // seconds over which load is averaged
constexpr double throttle_celsius = 92.0;          // the clock is halved at this temperature ...
constexpr double recover_celsius = 85.0;           // ... until the card has cooled down to this one
constexpr double min_clock_share = 0.3;            // of the full clock
constexpr std::uint64_t min_interval = 1'000'000;  // ticks between two samples
constexpr std::uint64_t check_interval = 100'000'000;  // ticks between two checks of overheated()

}  // namespace

void Sensors::advance(std::uint64_t now) {
    const bool first = sampled_ == 0;
    if (!first && now < sampled_ + min_interval) {
        return;
    }
    const double seconds = first ? 0.0 : static_cast<double>(now - sampled_) * 1e-9;
    double dynamic = 0;
    for (unsigned i = 0; i < engine_count; ++i) {
        const std::uint64_t busy = meters_[i].read(now);
        if (!first && busy >= busy_[i]) {
            const double load =
                std::min(1.0, static_cast<double>(busy - busy_[i]) * 1e-9 / seconds);
            load_[i] += (load - load_[i]) * (1 - std::exp(-seconds / load_time));
        }
        busy_[i] = busy;
        dynamic += load_[i] * engine_power[i];
    }
    double clock = hot_ ? 0.5 : 1.0;
    const double budget = power_cap_ * 1e-3 - idle_power;
    if (dynamic * clock > budget) {
        clock = std::max(min_clock_share, budget / dynamic);
    }
    const double power = idle_power + dynamic * clock;
    if (first) {
        celsius_ = power * thermal_resistance;
    }
    celsius_ += (power * thermal_resistance - celsius_) * (1 - std::exp(-seconds / thermal_time));
    if (!hot_ && ambient_ + celsius_ >= throttle_celsius) {
        hot_ = announce_ = true;
    } else if (hot_ && ambient_ + celsius_ <= recover_celsius) {
        hot_ = false;
    }
    sampled_ = now;
    reading_ = {.temperature = static_cast<std::int32_t>((ambient_ + celsius_) * 1e3),
                .power = static_cast<std::uint32_t>(power * 1e3),
                .clock = static_cast<std::uint32_t>(max_clock * clock),
                .throttled = clock < 1.0};
}

Sensors::Reading Sensors::read(std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    advance(now);
    return reading_;
}

bool Sensors::overheated(std::uint64_t now) {
    if (now < next_check_.load(std::memory_order_relaxed)) {
        return false;
    }
    next_check_.store(now + check_interval, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    advance(now);
    return std::exchange(announce_, false);
}

void Sensors::set_power_cap(std::uint32_t milliwatts) {
    const std::lock_guard lock(mutex_);
    power_cap_ = std::clamp(milliwatts, power_cap_min, power_cap_max);
}

std::uint32_t Sensors::power_cap() const {
    const std::lock_guard lock(mutex_);
    return power_cap_;
}

void Sensors::set_ambient(std::int32_t millicelsius) {
    const std::lock_guard lock(mutex_);
    ambient_ = millicelsius * 1e-3;
    sampled_ = sampled_ == 0 ? 0 : std::max<std::uint64_t>(sampled_, min_interval) - min_interval;
}

std::int32_t Sensors::ambient() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::int32_t>(std::lround(ambient_ * 1e3));
}

void Sensors::reset() {
    const std::lock_guard lock(mutex_);
    busy_ = {};  // the meters restart at zero; a reset does not cool the card
}

}  // namespace accel::card
