// SPDX-License-Identifier: GPL-2.0
//
// Charging the resources.
#include "timing.hpp"

#include <array>
#include <utility>

namespace accel::card {

namespace {

// Up to here a transfer is a few packets, which do not queue behind a long one.
constexpr uint64_t kSmallBytes = 1024;

constexpr uint64_t kReadLatency = 2 * ACCEL_TIMING_LINK + ACCEL_TIMING_HOST;

constexpr std::array<double, 3> kRates{ACCEL_TIMING_MACS, ACCEL_TIMING_ELEMENTS,
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

void Timing::host_read(uint64_t address, uint64_t bytes) {
    // Requests are small packets, however much they ask for.
    Picoseconds& out = free(Resource::out);
    out = std::max(out, cursor(Resource::in)) + link_.time(link_.request_bytes(address, bytes));
    if (!std::exchange(lane().link_primed, true)) {
        cursor(Resource::in) += kReadLatency * kTick;
    }
    use(Resource::in, link_.time(link_.completion_bytes(address, bytes)), bytes <= kSmallBytes);
}

void Timing::host_write(uint64_t address, uint64_t bytes) {
    use(Resource::out, link_.time(link_.write_bytes(address, bytes)), bytes <= kSmallBytes);
}

void Timing::memory(uint64_t bytes) {
    if (!std::exchange(lane().memory_primed, true)) {
        cursor(Resource::memory) += ACCEL_TIMING_MEMORY * kTick;
    }
    use(Resource::memory, bytes * kTick / ACCEL_TIMING_MEMORY_BYTES, bytes <= kSmallBytes);
}

void Timing::work(Work kind, uint64_t count) {
    const double rate = kRates.at(static_cast<size_t>(kind)) * clock_;
    use(Resource::arithmetic, static_cast<Picoseconds>(static_cast<double>(count) * kTick / rate),
        false);
}

}  // namespace accel::card
