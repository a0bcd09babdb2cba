// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Rates and overheads of PCI Express, for the timing model.
#include "link.hpp"

#include <array>
#include <bit>

namespace accel::card {

namespace {

constexpr std::uint32_t flit_generation = 6;
constexpr std::array transfer_rates{2.5, 5.0, 8.0, 16.0, 32.0, 64.0};  // GT/s per lane

// 236 of the 256 bytes of a FLIT carry packets; the rest is link layer, CRC and error correction.
constexpr double flit_efficiency = 236.0 / 256.0;

constexpr std::uint32_t framing_bytes = 8;        // start, sequence number, LCRC, end
constexpr std::uint32_t long_header_bytes = 16;   // 4 DW: 64-bit addresses
constexpr std::uint32_t short_header_bytes = 12;  // 3 DW: completions

constexpr double dllp_bytes = 8.0;        // with framing: an acknowledgment, a flow-control update
constexpr double skip_bytes = 4.0;        // a SKIP ordered set ...
constexpr double skip_interval = 1538.0;  // ... and the bytes between two of them

double encoding_efficiency(std::uint32_t generation) {
    if (generation >= flit_generation) {
        return 1.0;
    }
    return generation <= 2 ? 8.0 / 10.0 : 128.0 / 130.0;
}

// The interval of acknowledgments and flow-control updates that the specification asks for. It
// depends on the longest payload, the width and the receiver's delay. The specification counts
// symbol times. Like pcie-bench's model, this function counts them as bytes of the link at any
// width, which overstates the overhead of wide links.
double update_interval(const accel_core_link& config) {
    constexpr std::array delays{19.0, 70.0, 115.0};  // by generation; the last is for 3 and later
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

double packet_efficiency(const accel_core_link& config) {
    if (config.generation >= flit_generation) {
        return flit_efficiency;
    }
    return 1.0 - 2 * dllp_bytes / update_interval(config) - skip_bytes / skip_interval;
}

// The number of packets that cover [address, address + bytes) when they are cut at multiples of
// `max_bytes`.
std::uint64_t packets(std::uint64_t address, std::uint64_t bytes, std::uint64_t max_bytes) {
    return bytes == 0 ? 0 : (address + bytes - 1) / max_bytes - address / max_bytes + 1;
}

bool is_power_of_two_within(std::uint32_t value, std::uint32_t min, std::uint32_t max) {
    return std::has_single_bit(value) && value >= min && value <= max;
}

}  // namespace

const char* Link::config_error(const accel_core_link& config) {
    if (config.generation < 1 || config.generation > transfer_rates.size()) {
        return "the generation of the link must be from 1 to 6";
    }
    if (!is_power_of_two_within(config.lanes, 1, 16)) {
        return "the link must have 1, 2, 4, 8 or 16 lanes";
    }
    if (!is_power_of_two_within(config.payload, 128, 4096) ||
        !is_power_of_two_within(config.read_request, config.payload, 4096)) {
        return "the longest payload must be a power of two from 128 to 4096 bytes, and the longest "
               "read request a power of two from the longest payload to 4096 bytes";
    }
    if (!is_power_of_two_within(config.completion, 64, config.payload)) {
        return "the longest read completion must be a power of two from 64 bytes to the longest "
               "payload";
    }
    return nullptr;
}

Link::Link(const accel_core_link& config)
    : config_(config),
      flits_(config.generation >= flit_generation),
      headers_{.write = long_header_bytes + (flits_ ? 0 : framing_bytes),
               .request = long_header_bytes + (flits_ ? 0 : framing_bytes),
               .completion = short_header_bytes + (flits_ ? 0 : framing_bytes)},
      raw_rate_(transfer_rates.at(config.generation - 1) * encoding_efficiency(config.generation) *
                config.lanes),
      packet_efficiency_(packet_efficiency(config)),
      picoseconds_per_byte_(8.0 * picoseconds_per_tick / (raw_rate_ * packet_efficiency_)) {}

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
