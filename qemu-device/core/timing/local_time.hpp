// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The local time of a task in the timing model: when each shared resource finishes the task's work.
// Local time may be ahead of the clock; timing_model.hpp tells how it advances.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace accel::card {

// A nanosecond is too coarse for a packet on a fast link.
using Picoseconds = std::uint64_t;
inline constexpr Picoseconds picoseconds_per_tick = 1000;

// The resources that tasks share. The link counts as two, one for each direction.
enum class Resource : std::uint8_t { link_in, link_out, memory, arithmetic };
inline constexpr std::size_t resource_count = 4;

struct LocalTime {
    // When each resource has finished the task's work.
    std::array<Picoseconds, resource_count> finished{};
    // Only the first of a stream of reads waits for the latency.
    bool link_primed = false;
    bool memory_primed = false;

    [[nodiscard]] Picoseconds latest() const { return std::ranges::max(finished); }
    // Everything that follows starts at `time`, after all earlier work.
    void join(Picoseconds time) {
        finished.fill(time);
        link_primed = memory_primed = false;
    }
    void join() { join(latest()); }
};

}  // namespace accel::card
