// SPDX-License-Identifier: GPL-2.0
//
// The thermal and power model.
#include "sensors.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace accel::card {

namespace {

constexpr double kIdlePower = 12.0;           // watts
constexpr std::array kEnginePower{10., 48.};  // watts at full load and clock: DMA, compute
constexpr double kThermalResistance = 0.85;   // degrees a watt: 94.5 degrees at full load
constexpr double kThermalTime = 8.0;          // seconds
constexpr double kLoadTime = 0.25;            // seconds over which load is averaged
constexpr double kHot = 92.0;                 // degrees at which the clock is halved ...
constexpr double kCool = 85.0;                // ... until it has cooled down to this
constexpr double kMinClock = 0.3;             // of the full clock
constexpr uint64_t kMinInterval = 1'000'000;  // ticks between two samples
constexpr uint64_t kLookInterval = 100'000'000;

}  // namespace

void Sensors::advance(uint64_t now) {
    const bool first = sampled_ == 0;
    if (!first && now < sampled_ + kMinInterval) {
        return;
    }
    const double seconds = first ? 0.0 : static_cast<double>(now - sampled_) * 1e-9;
    double dynamic = 0;
    for (unsigned i = 0; i < kEngines; ++i) {
        const uint64_t busy = meters_[i].read(now);
        if (!first && busy >= busy_[i]) {
            const double load =
                std::min(1.0, static_cast<double>(busy - busy_[i]) * 1e-9 / seconds);
            load_[i] += (load - load_[i]) * (1 - std::exp(-seconds / kLoadTime));
        }
        busy_[i] = busy;
        dynamic += load_[i] * kEnginePower[i];
    }
    double clock = hot_ ? 0.5 : 1.0;
    const double budget = cap_ * 1e-3 - kIdlePower;
    if (dynamic * clock > budget) {
        clock = std::max(kMinClock, budget / dynamic);
    }
    const double power = kIdlePower + dynamic * clock;
    if (first) {
        celsius_ = power * kThermalResistance;
    }
    celsius_ += (power * kThermalResistance - celsius_) * (1 - std::exp(-seconds / kThermalTime));
    if (!hot_ && ambient_ + celsius_ >= kHot) {
        hot_ = announce_ = true;
    } else if (hot_ && ambient_ + celsius_ <= kCool) {
        hot_ = false;
    }
    sampled_ = now;
    reading_ = {.temperature = static_cast<int32_t>((ambient_ + celsius_) * 1e3),
                .power = static_cast<uint32_t>(power * 1e3),
                .clock = static_cast<uint32_t>(kMaxClock * clock),
                .throttled = clock < 1.0};
}

Sensors::Reading Sensors::read(uint64_t now) {
    const std::lock_guard lock(mutex_);
    advance(now);
    return reading_;
}

bool Sensors::overheated(uint64_t now) {
    if (now < next_look_.load(std::memory_order_relaxed)) {
        return false;
    }
    next_look_.store(now + kLookInterval, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    advance(now);
    return std::exchange(announce_, false);
}

void Sensors::set_power_cap(uint32_t milliwatts) {
    const std::lock_guard lock(mutex_);
    cap_ = std::clamp(milliwatts, kPowerCapMin, kPowerCapMax);
}

uint32_t Sensors::power_cap() const {
    const std::lock_guard lock(mutex_);
    return cap_;
}

void Sensors::set_ambient(int32_t millicelsius) {
    const std::lock_guard lock(mutex_);
    ambient_ = millicelsius * 1e-3;
    sampled_ = sampled_ == 0 ? 0 : std::max<uint64_t>(sampled_, kMinInterval) - kMinInterval;
}

int32_t Sensors::ambient() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int32_t>(std::lround(ambient_ * 1e3));
}

void Sensors::reset() {
    const std::lock_guard lock(mutex_);
    busy_ = {};  // the meters start again; heat does not go away by a reset
}

}  // namespace accel::card
