// SPDX-License-Identifier: GPL-2.0
//
// A lane: one user's view of time. timing.hpp tells how it moves.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace accel::card {

// A nanosecond is too long for a packet on a fast link.
using Picoseconds = std::uint64_t;
inline constexpr Picoseconds ps_per_tick = 1000;

// What several use at once. The link counts twice: it has two directions.
enum class Resource : std::uint8_t { in, out, memory, arithmetic };
inline constexpr std::size_t resources = 4;

struct Lane {
    // When each of them has done what it was given.
    std::array<Picoseconds, resources> at{};
    // Of a stream of reads only the first waits for the answer.
    bool link_primed = false;
    bool memory_primed = false;

    [[nodiscard]] Picoseconds time() const { return std::ranges::max(at); }
    // Everything so far is over before anything that follows.
    void join(Picoseconds time) {
        at.fill(time);
        link_primed = memory_primed = false;
    }
    void join() { join(time()); }
};

}  // namespace accel::card
