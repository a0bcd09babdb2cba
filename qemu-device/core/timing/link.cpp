// SPDX-License-Identifier: GPL-2.0
//
// Rates and overheads of PCI Express.
#include "link.hpp"

#include <array>
#include <bit>

namespace accel::card {

namespace {

constexpr std::uint32_t flit_generation = 6;
constexpr std::array transfers{2.5, 5.0, 8.0, 16.0, 32.0, 64.0};  // GT/s a lane, by generation

// Of the 256 bytes of a FLIT, 236 are packets; the rest is link layer, CRC and error correction.
constexpr double flit = 236.0 / 256.0;

constexpr std::uint32_t framing = 8;        // start, sequence number, LCRC, end
constexpr std::uint32_t long_header = 16;   // four words: 64-bit addresses
constexpr std::uint32_t short_header = 12;  // three words: completions

constexpr double link_packet = 8.0;  // a DLLP, framed: an acknowledgement, a flow-control update
constexpr double skip_bytes = 4.0;   // a SKIP ordered set ...
constexpr double skip_interval = 1538.0;  // ... and how far apart they are

double encoding(std::uint32_t generation) {
    if (generation >= flit_generation) {
        return 1.0;
    }
    return generation <= 2 ? 8.0 / 10.0 : 128.0 / 130.0;
}

// How far apart the specification wants acknowledgements and flow-control updates, from the longest
// payload, the width and the receiver's delay. It gives symbol times; like the public model this
// takes them for bytes of the link at any width, which is hard on wide links.
double update_interval(const accel_core_link& config) {
    constexpr std::array delays{19.0, 70.0, 115.0};  // by generation; the last ones are equal
    constexpr double packet_overhead = 28.0;
    const bool longer = config.payload > 256;
    double factor = longer ? 1.0 : 1.4;
    if (config.lanes == 8) {
        factor = longer ? 1.0 : 2.5;
    } else if (config.lanes == 16) {
        factor = longer ? 2.0 : 3.0;
    }
    const double delay = delays.at(config.generation < 3 ? config.generation - 1 : 2);
    const double interval = (config.payload + packet_overhead) * factor / config.lanes + delay;
    return static_cast<double>(static_cast<std::uint64_t>(interval));
}

double usable(const accel_core_link& config) {
    if (config.generation >= flit_generation) {
        return flit;
    }
    return 1.0 - 2 * link_packet / update_interval(config) - skip_bytes / skip_interval;
}

// Packets that cover [address, address + bytes) when they are cut at multiples of `most`.
std::uint64_t packets(std::uint64_t address, std::uint64_t bytes, std::uint64_t most) {
    return bytes == 0 ? 0 : (address + bytes - 1) / most - address / most + 1;
}

bool one_of(std::uint32_t value, std::uint32_t least, std::uint32_t most) {
    return std::has_single_bit(value) && value >= least && value <= most;
}

}  // namespace

const char* Link::fault(const accel_core_link& config) {
    if (config.generation < 1 || config.generation > transfers.size()) {
        return "the generation of the link must be 1 to 6";
    }
    if (!one_of(config.lanes, 1, 16)) {
        return "the link must have 1, 2, 4, 8 or 16 lanes";
    }
    if (!one_of(config.payload, 128, 4096) || !one_of(config.read_request, config.payload, 4096)) {
        return "the longest payload must be a power of two from 128 to 4096, and the longest read "
               "request one from that to 4096";
    }
    if (!one_of(config.completion, 64, config.payload)) {
        return "completions must be a power of two from 64 bytes to the longest payload";
    }
    return nullptr;
}

Link::Link(const accel_core_link& config)
    : config_(config),
      flits_(config.generation >= flit_generation),
      headers_{.write = long_header + (flits_ ? 0 : framing),
               .request = long_header + (flits_ ? 0 : framing),
               .completion = short_header + (flits_ ? 0 : framing)},
      raw_(transfers.at(config.generation - 1) * encoding(config.generation) * config.lanes),
      usable_(usable(config)),
      picoseconds_a_byte_(8.0 * ps_per_tick / (raw_ * usable_)) {}

std::uint64_t Link::write_bytes(std::uint64_t address, std::uint64_t bytes) const {
    return bytes + packets(address, bytes, config_.payload) * headers_.write;
}

std::uint64_t Link::request_bytes(std::uint64_t address, std::uint64_t bytes) const {
    return packets(address, bytes, config_.read_request) * headers_.request;
}

std::uint64_t Link::completion_bytes(std::uint64_t address, std::uint64_t bytes) const {
    return bytes + packets(address, bytes, config_.completion) * headers_.completion;
}

}  // namespace accel::card
