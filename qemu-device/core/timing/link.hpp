// SPDX-License-Identifier: GPL-2.0
//
// The PCIe link: how many bytes a transfer is on the wire, and how long they take.
//
// A transfer is cut into packets (TLPs) as the protocol demands, and every packet has its header
// and its framing. What is left of the raw rate after encoding, acknowledgements, flow control and
// clock compensation is a constant of the configuration. Both follow the public efficiency model of
// pcie-bench, and tests compare the two; Gen 6 is FLIT mode, where packets have no framing and the
// rest is a fixed part of each FLIT.
#pragma once

#include <cstdint>

#include "accel_core.h"
#include "lane.hpp"

namespace accel::card {

class Link {
  public:
    // A configuration that fault() has nothing against.
    explicit Link(const accel_core_link& config);

    // A sentence on what is wrong with a configuration, or null.
    [[nodiscard]] static const char* fault(const accel_core_link& config);

    // Bytes on the wire, headers and framing included: of posted writes, of read requests, and of
    // the completions that answer them.
    [[nodiscard]] std::uint64_t write_bytes(std::uint64_t address, std::uint64_t bytes) const;
    [[nodiscard]] std::uint64_t request_bytes(std::uint64_t address, std::uint64_t bytes) const;
    [[nodiscard]] std::uint64_t completion_bytes(std::uint64_t address, std::uint64_t bytes) const;

    [[nodiscard]] Picoseconds time(std::uint64_t wire_bytes) const {
        return static_cast<Picoseconds>(static_cast<double>(wire_bytes) * picoseconds_a_byte_);
    }

    // Gigabits a second in one direction: as coded, and what packets get of it.
    [[nodiscard]] double raw_rate() const { return raw_; }
    [[nodiscard]] double packet_rate() const { return raw_ * usable_; }

  private:
    struct Headers {
        std::uint32_t write;
        std::uint32_t request;
        std::uint32_t completion;
    };

    const accel_core_link config_;
    const bool flits_;
    const Headers headers_;
    const double raw_;
    const double usable_;
    const double picoseconds_a_byte_;
};

}  // namespace accel::card
