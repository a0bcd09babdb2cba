// SPDX-License-Identifier: GPL-2.0
//
// Rates and overheads of PCI Express.
#include "link.hpp"

#include <array>
#include <bit>

namespace accel::card {

namespace {

constexpr uint32_t kFlitGeneration = 6;
constexpr std::array kTransfers{2.5, 5.0, 8.0, 16.0, 32.0, 64.0};  // GT/s a lane, by generation

// Of the 256 bytes of a FLIT, 236 are packets; the rest is link layer, CRC and error correction.
constexpr double kFlit = 236.0 / 256.0;

constexpr uint32_t kFraming = 8;       // start, sequence number, LCRC, end
constexpr uint32_t kLongHeader = 16;   // four words: 64-bit addresses
constexpr uint32_t kShortHeader = 12;  // three words: completions

constexpr double kLinkPacket = 8.0;  // a DLLP, framed: an acknowledgement, a flow-control update
constexpr double kSkipBytes = 4.0;   // a SKIP ordered set ...
constexpr double kSkipInterval = 1538.0;  // ... and how far apart they are

double encoding(uint32_t generation) {
    if (generation >= kFlitGeneration) {
        return 1.0;
    }
    return generation <= 2 ? 8.0 / 10.0 : 128.0 / 130.0;
}

// How far apart the specification wants acknowledgements and flow-control updates, from the longest
// payload, the width and the receiver's delay. It gives symbol times; like the public model this
// takes them for bytes of the link at any width, which is hard on wide links.
double update_interval(const accel_core_link& config) {
    constexpr std::array kDelays{19.0, 70.0, 115.0};  // by generation; the last ones are equal
    constexpr double kPacketOverhead = 28.0;
    const bool longer = config.payload > 256;
    double factor = longer ? 1.0 : 1.4;
    if (config.lanes == 8) {
        factor = longer ? 1.0 : 2.5;
    } else if (config.lanes == 16) {
        factor = longer ? 2.0 : 3.0;
    }
    const double delay = kDelays.at(config.generation < 3 ? config.generation - 1 : 2);
    const double interval = (config.payload + kPacketOverhead) * factor / config.lanes + delay;
    return static_cast<double>(static_cast<uint64_t>(interval));
}

double usable(const accel_core_link& config) {
    if (config.generation >= kFlitGeneration) {
        return kFlit;
    }
    return 1.0 - 2 * kLinkPacket / update_interval(config) - kSkipBytes / kSkipInterval;
}

// Packets that cover [address, address + bytes) when they are cut at multiples of `most`.
uint64_t packets(uint64_t address, uint64_t bytes, uint64_t most) {
    return bytes == 0 ? 0 : (address + bytes - 1) / most - address / most + 1;
}

bool one_of(uint32_t value, uint32_t least, uint32_t most) {
    return std::has_single_bit(value) && value >= least && value <= most;
}

}  // namespace

const char* Link::fault(const accel_core_link& config) {
    if (config.generation < 1 || config.generation > kTransfers.size()) {
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
      flits_(config.generation >= kFlitGeneration),
      headers_{.write = kLongHeader + (flits_ ? 0 : kFraming),
               .request = kLongHeader + (flits_ ? 0 : kFraming),
               .completion = kShortHeader + (flits_ ? 0 : kFraming)},
      raw_(kTransfers.at(config.generation - 1) * encoding(config.generation) * config.lanes),
      usable_(usable(config)),
      picoseconds_a_byte_(8.0 * kTick / (raw_ * usable_)) {}

uint64_t Link::write_bytes(uint64_t address, uint64_t bytes) const {
    return bytes + packets(address, bytes, config_.payload) * headers_.write;
}

uint64_t Link::request_bytes(uint64_t address, uint64_t bytes) const {
    return packets(address, bytes, config_.read_request) * headers_.request;
}

uint64_t Link::completion_bytes(uint64_t address, uint64_t bytes) const {
    return bytes + packets(address, bytes, config_.completion) * headers_.completion;
}

}  // namespace accel::card
