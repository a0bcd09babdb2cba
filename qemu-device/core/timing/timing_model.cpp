// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Charging the resources of the timing model.
#include "timing_model.hpp"

#include <array>
#include <utility>

namespace accel::card {

namespace {

// Shorter transfers are a few packets, which do not queue behind a long transfer.
constexpr std::uint64_t max_small_bytes = 1024;

constexpr std::uint64_t read_latency = 2 * ACCEL_TIMING_LINK + ACCEL_TIMING_HOST;

// Indexed by Work.
constexpr std::array<double, 3> work_rates{ACCEL_TIMING_MACS, ACCEL_TIMING_ELEMENTS,
                                           ACCEL_TIMING_SPECIALS};

}  // namespace

void TimingModel::use(Resource resource, Picoseconds duration, bool small) {
    Picoseconds& own = cursor(resource);
    Picoseconds& shared = available(resource);
    if (small) {
        shared = std::max(shared, own) + duration;
        own += duration;
    } else {
        own = shared = std::max(shared, own) + duration;
    }
}

void TimingModel::host_read(std::uint64_t address, std::uint64_t bytes) {
    // A request is a small packet, however many bytes it asks for.
    Picoseconds& out = available(Resource::link_out);
    out =
        std::max(out, cursor(Resource::link_in)) + link_.time(link_.request_bytes(address, bytes));
    if (!std::exchange(local_time().link_primed, true)) {
        cursor(Resource::link_in) += read_latency * picoseconds_per_tick;
    }
    use(Resource::link_in, link_.time(link_.completion_bytes(address, bytes)),
        bytes <= max_small_bytes);
}

void TimingModel::host_write(std::uint64_t address, std::uint64_t bytes) {
    use(Resource::link_out, link_.time(link_.write_bytes(address, bytes)),
        bytes <= max_small_bytes);
}

void TimingModel::memory(std::uint64_t bytes) {
    if (!std::exchange(local_time().memory_primed, true)) {
        cursor(Resource::memory) += ACCEL_TIMING_MEMORY * picoseconds_per_tick;
    }
    use(Resource::memory, bytes * picoseconds_per_tick / ACCEL_TIMING_MEMORY_BYTES,
        bytes <= max_small_bytes);
}

void TimingModel::work(Work kind, std::uint64_t count) {
    const double rate = work_rates.at(static_cast<std::size_t>(kind)) * clock_share_;
    use(Resource::arithmetic,
        static_cast<Picoseconds>(static_cast<double>(count) * picoseconds_per_tick / rate), false);
}

}  // namespace accel::card
