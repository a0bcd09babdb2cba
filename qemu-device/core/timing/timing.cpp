// SPDX-License-Identifier: GPL-2.0
//
// Charging the resources.
#include "timing.hpp"

#include <array>
#include <utility>

namespace accel::card {

namespace {

// Up to here a transfer is a few packets, which do not queue behind a long one.
constexpr std::uint64_t small_bytes = 1024;

constexpr std::uint64_t read_latency = 2 * ACCEL_TIMING_LINK + ACCEL_TIMING_HOST;

constexpr std::array<double, 3> rates{ACCEL_TIMING_MACS, ACCEL_TIMING_ELEMENTS,
                                      ACCEL_TIMING_SPECIALS};

}  // namespace

void Timing::use(Resource resource, Picoseconds duration, bool small) {
    Picoseconds& until = cursor(resource);
    Picoseconds& others = free(resource);
    if (small) {
        others = std::max(others, until) + duration;
        until += duration;
    } else {
        until = others = std::max(others, until) + duration;
    }
}

void Timing::host_read(std::uint64_t address, std::uint64_t bytes) {
    // Requests are small packets, however much they ask for.
    Picoseconds& out = free(Resource::out);
    out = std::max(out, cursor(Resource::in)) + link_.time(link_.request_bytes(address, bytes));
    if (!std::exchange(lane().link_primed, true)) {
        cursor(Resource::in) += read_latency * ps_per_tick;
    }
    use(Resource::in, link_.time(link_.completion_bytes(address, bytes)), bytes <= small_bytes);
}

void Timing::host_write(std::uint64_t address, std::uint64_t bytes) {
    use(Resource::out, link_.time(link_.write_bytes(address, bytes)), bytes <= small_bytes);
}

void Timing::memory(std::uint64_t bytes) {
    if (!std::exchange(lane().memory_primed, true)) {
        cursor(Resource::memory) += ACCEL_TIMING_MEMORY * ps_per_tick;
    }
    use(Resource::memory, bytes * ps_per_tick / ACCEL_TIMING_MEMORY_BYTES, bytes <= small_bytes);
}

void Timing::work(Work kind, std::uint64_t count) {
    const double rate = rates.at(static_cast<std::size_t>(kind)) * clock_;
    use(Resource::arithmetic,
        static_cast<Picoseconds>(static_cast<double>(count) * ps_per_tick / rate), false);
}

}  // namespace accel::card
