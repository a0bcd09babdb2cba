// SPDX-License-Identifier: Apache-2.0
//
// What a card says of itself, read from sysfs and hwmon: one look. What is not there, or may not be
// read, is empty; nothing here opens the node or disturbs the card.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "card.hpp"
#include "root.hpp"

namespace accel::tools {

/// A link as it is, and as the card and the port that it is plugged into could have it.
struct LinkState {
    std::optional<double> speed;  ///< GT/s a lane
    std::optional<int> width;     ///< lanes
    std::optional<double> max_speed;
    std::optional<int> max_width;
    std::optional<double> port_speed;  ///< of the port, if it is known
    std::optional<int> port_width;

    /// Below what the card can, for whatever reason; what lspci calls so.
    [[nodiscard]] bool downgraded() const;
    /// Below what both ends can: something is wrong.
    [[nodiscard]] bool degraded() const;
    [[nodiscard]] std::string now() const;   ///< "16 GT/s x4"
    [[nodiscard]] std::string best() const;  ///< of the card: "16 GT/s x16"
    /// One sentence on a link that is downgraded, and what to do.
    [[nodiscard]] std::string warning() const;
};

struct AerCounter {
    std::string severity;  ///< correctable, nonfatal, fatal
    std::string name;      ///< as the kernel calls it
    std::uint64_t count = 0;
};

struct EngineState {
    std::optional<std::uint64_t> count;
    std::optional<std::uint64_t> busy_ns;  ///< of all of them together
};

struct Sensors {
    std::optional<double> celsius;
    std::optional<double> watts;
    std::optional<double> cap_watts;
    std::optional<double> cap_min_watts;
    std::optional<double> cap_max_watts;
    std::optional<double> clock_hz;
    std::string folder;  ///< of hwmon; empty: none
};

struct Status {
    Card card;
    std::string state;  ///< of the driver: running, ...; "no driver" without one
    std::optional<std::string> serial;
    std::optional<std::string> hardware_version;
    std::optional<std::string> firmware_version;
    std::optional<std::uint64_t> generation;
    std::optional<std::uint64_t> memory_size;
    std::optional<std::uint64_t> memory_used;
    std::optional<std::uint64_t> contexts_used;
    std::optional<std::uint64_t> queues_used;
    EngineState dma;
    EngineState compute;
    std::optional<std::uint64_t> clock_ns;
    Sensors sensors;
    std::map<std::string, std::uint64_t> counters;  ///< by the names of docs/concepts/driver.md
    LinkState link;
    std::optional<int> numa_node;
    std::optional<int> iommu_group;
    std::optional<int> vectors;  ///< interrupt vectors that are set up
    std::vector<AerCounter> aer;

    [[nodiscard]] std::uint64_t aer_total(const std::string& severity) const;
};

[[nodiscard]] Status read_status(const Root& root, const Card& card);
[[nodiscard]] LinkState read_link(const Root& root, const std::string& pci);
[[nodiscard]] std::vector<AerCounter> read_aer(const Root& root, const std::string& pci);
[[nodiscard]] nlohmann::ordered_json to_json(const Status& status);

/// What happened between two looks at the same card, a second.
struct Rates {
    double seconds = 0;
    double dma_busy = 0;  ///< share of all DMA engines, 0 to 1
    double compute_busy = 0;
    double commands = 0;
    double host_read = 0;  ///< bytes over the link, to the card ...
    double host_written = 0;
    double doorbells = 0;
    double interrupts = 0;
};
/// Nothing if the card was reset, or its clock did not move.
[[nodiscard]] std::optional<Rates> rates_between(const Status& before, const Status& after);

}  // namespace accel::tools
