// SPDX-License-Identifier: Apache-2.0
//
// The state of a card, read once from sysfs and hwmon. A value that is missing or must not be read
// is empty. Nothing here opens the node or disturbs the card.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "card.hpp"
#include "json.hpp"
#include "root.hpp"

namespace accel::tools {

/// A link: its speed and width, and those that the card and the port above it support.
struct LinkState {
    std::optional<double> speed;  ///< GT/s a lane
    std::optional<int> width;     ///< lanes
    std::optional<double> max_speed;
    std::optional<int> max_width;
    std::optional<double> port_speed;  ///< of the port above, if it is known
    std::optional<int> port_width;

    /// Slower or narrower than the card supports, for any reason; lspci uses the same word.
    [[nodiscard]] bool downgraded() const;
    /// Slower or narrower than both ends support: a fault.
    [[nodiscard]] bool degraded() const;
    [[nodiscard]] std::string now() const;   ///< "16 GT/s x4"
    [[nodiscard]] std::string best() const;  ///< of the card: "16 GT/s x16"
    /// One sentence on a downgraded link, with what to do about it.
    [[nodiscard]] std::string warning() const;
};

struct AerCounter {
    std::string severity;  ///< correctable, nonfatal, fatal
    std::string name;      ///< the kernel's name for it
    std::uint64_t count = 0;
};

struct EngineState {
    std::optional<std::uint64_t> count;
    std::optional<std::uint64_t> busy_ns;  ///< the sum over all engines
};

struct Sensors {
    std::optional<double> celsius;
    std::optional<double> watts;
    std::optional<double> cap_watts;
    std::optional<double> cap_min_watts;
    std::optional<double> cap_max_watts;
    std::optional<double> clock_hz;
    std::string folder;  ///< of hwmon; empty: the card has no sensors
};

struct Status {
    Card card;
    std::string state;  ///< as the driver reports it: running, ...; "no driver" without one
    std::optional<std::string> serial;
    std::optional<std::string> hardware_version;
    std::optional<std::string> firmware_version;
    std::optional<std::uint64_t> generation;
    std::optional<std::string> driver_version;   ///< of the loaded module
    std::optional<std::uint64_t> time_limit_ms;  ///< of a command; 0: none
    std::map<std::string, std::string> quota;    ///< of each user, as the files in quota/
    std::optional<std::uint64_t> memory_size;
    std::optional<std::uint64_t> memory_used;
    std::optional<std::uint64_t> contexts_used;
    std::optional<std::uint64_t> queues_used;
    EngineState dma;
    EngineState compute;
    std::optional<std::uint64_t> clock_ns;
    Sensors sensors;
    std::map<std::string, std::uint64_t> counters;  ///< named as in docs/concepts/driver.md
    LinkState link;
    std::optional<int> numa_node;
    std::optional<int> iommu_group;
    std::optional<int> vectors;  ///< interrupt vectors in use
    std::vector<AerCounter> aer;

    [[nodiscard]] std::uint64_t aer_total(const std::string& severity) const;
};

[[nodiscard]] Status read_status(const SystemRoot& root, const Card& card);
[[nodiscard]] LinkState read_link(const SystemRoot& root, const std::string& pci);
[[nodiscard]] std::vector<AerCounter> read_aer(const SystemRoot& root, const std::string& pci);
[[nodiscard]] Json to_json(const LinkState& link);
[[nodiscard]] Json to_json(const Status& status);

/// The activity of a card between two reads of its state, per second.
struct Rates {
    double seconds = 0;
    double dma_busy = 0;  ///< utilization of all DMA engines, 0 to 1
    double compute_busy = 0;
    double commands = 0;
    double host_read = 0;     ///< bytes over the link to the card
    double host_written = 0;  ///< bytes over the link from the card
    double doorbells = 0;
    double interrupts = 0;
};
/// Nothing if the card was reset or its clock did not advance.
[[nodiscard]] std::optional<Rates> rates_between(const Status& before, const Status& after);

}  // namespace accel::tools
