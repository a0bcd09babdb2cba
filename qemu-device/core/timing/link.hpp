// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The PCIe link of the timing model: the bytes of a transfer on the wire, and the time they need.
//
// A transfer is cut into packets (TLPs) by the rules of the protocol. Every packet has a header and
// framing. Encoding, acknowledgments, flow control and clock compensation leave a constant share of
// the raw rate to packets. Both follow the public efficiency model of pcie-bench, and tests compare
// the two. Gen 6 uses FLIT mode: packets have no framing, and the overhead is a fixed part of each
// FLIT.
#pragma once

#include <cstdint>

#include "accel_core.h"
#include "local_time.hpp"

namespace accel::card {

class Link {
  public:
    // `config` must be valid: config_error() returns null.
    explicit Link(const accel_core_link& config);

    // A sentence that says why a configuration is invalid, or null.
    [[nodiscard]] static const char* config_error(const accel_core_link& config);

    // Bytes on the wire, with headers and framing: of posted writes, of read requests, and of the
    // completions that answer read requests.
    [[nodiscard]] std::uint64_t write_bytes(std::uint64_t address, std::uint64_t bytes) const;
    [[nodiscard]] std::uint64_t request_bytes(std::uint64_t address, std::uint64_t bytes) const;
    [[nodiscard]] std::uint64_t completion_bytes(std::uint64_t address, std::uint64_t bytes) const;

    [[nodiscard]] Picoseconds time(std::uint64_t wire_bytes) const {
        return static_cast<Picoseconds>(static_cast<double>(wire_bytes) * picoseconds_per_byte_);
    }

    // Gigabits per second in one direction: on the wire after encoding, and the share of packets.
    [[nodiscard]] double raw_rate() const { return raw_rate_; }
    [[nodiscard]] double packet_rate() const { return raw_rate_ * packet_efficiency_; }

  private:
    struct Headers {
        std::uint32_t write;
        std::uint32_t request;
        std::uint32_t completion;
    };

    const accel_core_link config_;
    const bool flits_;
    const Headers headers_;
    const double raw_rate_;
    const double packet_efficiency_;
    const double picoseconds_per_byte_;
};

}  // namespace accel::card
