// SPDX-License-Identifier: Apache-2.0
#include "status.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace accel::tools {

namespace {

std::optional<std::uint64_t> count(const SystemRoot& root, const std::string& path) {
    const auto text = root.text(path);
    return text ? parse_number<std::uint64_t>(*text) : std::nullopt;
}

// hwmon reports integers: `parts` of them make one unit.
std::optional<double> scaled(const SystemRoot& root, const std::string& path, double parts) {
    const auto value = root.number(path);
    return value ? std::optional(static_cast<double>(*value) / parts) : std::nullopt;
}

// "16.0 GT/s PCIe", or "Unknown".
std::optional<double> speed(const SystemRoot& root, const std::string& path) {
    const auto text = root.text(path);
    double value = 0;
    if (!text || !(std::istringstream(*text) >> value)) {
        return std::nullopt;
    }
    return value;
}

std::optional<int> positive(const SystemRoot& root, const std::string& path) {
    const auto value = root.number(path);
    return value && *value > 0 ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

Sensors read_sensors(const SystemRoot& root, const std::string& pci) {
    Sensors sensors;
    for (const std::string& name : root.list(pci + "/hwmon")) {
        const std::string folder = fmt::format("{}/hwmon/{}", pci, name);
        sensors = {.celsius = scaled(root, folder + "/temp1_input", 1e3),
                   .watts = scaled(root, folder + "/power1_input", 1e6),
                   .cap_watts = scaled(root, folder + "/power1_cap", 1e6),
                   .cap_min_watts = scaled(root, folder + "/power1_cap_min", 1e6),
                   .cap_max_watts = scaled(root, folder + "/power1_cap_max", 1e6),
                   .clock_hz = scaled(root, folder + "/freq1_input", 1),
                   .folder = folder};
    }
    return sensors;
}

std::string link_text(std::optional<double> speed, std::optional<int> width) {
    return speed && width ? fmt::format("{:g} GT/s x{}", *speed, *width) : "unknown";
}

}  // namespace

std::string LinkState::now() const {
    return link_text(speed, width);
}

std::string LinkState::best() const {
    return link_text(max_speed, max_width);
}

bool LinkState::downgraded() const {
    return (speed && max_speed && *speed < *max_speed) ||
           (width && max_width && *width < *max_width);
}

bool LinkState::degraded() const {
    return (speed && max_speed && *speed < std::min(*max_speed, port_speed.value_or(*max_speed))) ||
           (width && max_width && *width < std::min(*max_width, port_width.value_or(*max_width)));
}

std::string LinkState::warning() const {
    if (degraded()) {
        return fmt::format(
            "the link runs at {}, and both ends can do more (the card {}): reseat "
            "the card, check the slot and its riser",
            now(), best());
    }
    return fmt::format("the link runs at {}, as the slot can do no more; the card supports {}",
                       now(), best());
}

std::uint64_t Status::aer_total(const std::string& severity) const {
    std::uint64_t total = 0;
    for (const AerCounter& counter : aer) {
        total += counter.severity == severity ? counter.count : 0;
    }
    return total;
}

LinkState read_link(const SystemRoot& root, const std::string& pci) {
    // A link that is down has a width of 0 or 255.
    LinkState link{.speed = speed(root, pci + "/current_link_speed"),
                   .width = positive(root, pci + "/current_link_width"),
                   .max_speed = speed(root, pci + "/max_link_speed"),
                   .max_width = positive(root, pci + "/max_link_width"),
                   .port_speed = std::nullopt,
                   .port_width = std::nullopt};
    // The last but one component of ../../../devices/pci0000:00/0000:00:02.0/0000:01:00.0
    const std::string location = root.target(pci).value_or("");
    const std::string above = location.substr(0, location.rfind('/'));
    if (const std::string port = above.substr(above.rfind('/') + 1); full_address(port)) {
        link.port_speed = speed(root, "/sys/bus/pci/devices/" + port + "/max_link_speed");
        link.port_width = positive(root, "/sys/bus/pci/devices/" + port + "/max_link_width");
    }
    constexpr int widest = 32;
    if (link.width > widest) {
        link.width.reset();
    }
    return link;
}

std::vector<AerCounter> read_aer(const SystemRoot& root, const std::string& pci) {
    std::vector<AerCounter> counters;
    for (const char* severity : {"correctable", "nonfatal", "fatal"}) {
        const auto text = root.text(pci + "/aer_dev_" + severity);
        std::istringstream lines(text.value_or(""));
        std::string name;
        std::uint64_t value = 0;
        while (lines >> name >> value) {
            if (!name.starts_with("TOTAL_")) {
                counters.push_back({.severity = severity, .name = name, .count = value});
            }
        }
    }
    return counters;
}

Status read_status(const SystemRoot& root, const Card& card) {
    Status status;
    status.card = card;
    const std::string pci = card.pci();
    status.sensors = read_sensors(root, pci);
    status.link = read_link(root, pci);
    status.aer = read_aer(root, pci);
    if (const auto numa = root.number(pci + "/numa_node"); numa && *numa >= 0) {
        status.numa_node = static_cast<int>(*numa);
    }
    if (const auto group = root.link(pci + "/iommu_group")) {
        status.iommu_group = parse_number<int>(*group);
    }
    if (root.exists(pci + "/msi_irqs")) {
        status.vectors = static_cast<int>(root.list(pci + "/msi_irqs").size());
    }
    if (!card.node) {
        status.state = "no driver";
        return status;
    }
    const std::string folder = card.folder();
    status.state = root.text(folder + "/state").value_or("gone");
    status.serial = root.text(folder + "/serial");
    status.hardware_version = root.text(folder + "/hardware_version");
    status.firmware_version = root.text(folder + "/firmware_version");
    status.generation = count(root, folder + "/generation");
    status.driver_version = root.text("/sys/module/accel/version");
    status.time_limit_ms = count(root, folder + "/time_limit_ms");
    for (const std::string& name : root.list(folder + "/quota")) {
        if (auto value = root.text(fmt::format("{}/quota/{}", folder, name))) {
            status.quota.emplace(name, std::move(*value));
        }
    }
    status.memory_size = count(root, folder + "/memory_size");
    status.memory_used = count(root, folder + "/memory_used");
    status.contexts_used = count(root, folder + "/contexts_used");
    status.queues_used = count(root, folder + "/queues_used");
    // The clock is read after the busy times, so that these are never ahead of it.
    status.dma.busy_ns = count(root, folder + "/engines/dma_busy_ns");
    status.compute.busy_ns = count(root, folder + "/engines/compute_busy_ns");
    status.clock_ns = count(root, folder + "/engines/clock_ns");
    status.dma.count = count(root, folder + "/engines/dma_count");
    status.compute.count = count(root, folder + "/engines/compute_count");
    for (const std::string& name : root.list(folder + "/counters")) {
        if (const auto value = count(root, fmt::format("{}/counters/{}", folder, name))) {
            status.counters.emplace(name, *value);
        }
    }
    return status;
}

namespace {

Json to_json(const EngineState& engine) {
    return {{"count", engine.count}, {"busy_ns", engine.busy_ns}};
}

Json to_json(const Sensors& sensors) {
    return {{"celsius", sensors.celsius},
            {"watts", sensors.watts},
            {"cap_watts", sensors.cap_watts},
            {"cap_min_watts", sensors.cap_min_watts},
            {"cap_max_watts", sensors.cap_max_watts},
            {"clock_hz", sensors.clock_hz}};
}

}  // namespace

Json to_json(const LinkState& link) {
    return {{"speed_gts", link.speed},           {"width", link.width},
            {"max_speed_gts", link.max_speed},   {"max_width", link.max_width},
            {"port_speed_gts", link.port_speed}, {"port_width", link.port_width},
            {"downgraded", link.downgraded()},   {"degraded", link.degraded()}};
}

Json to_json(const Status& status) {
    const Card& card = status.card;
    Json json{{"address", card.address},
              {"node", card.node ? Json(card.name()) : Json()},
              {"driver", card.driver.empty() ? Json() : Json(card.driver)},
              {"state", status.state},
              {"serial", status.serial},
              {"hardware_version", status.hardware_version},
              {"firmware_version", status.firmware_version},
              {"generation", status.generation},
              {"driver_version", status.driver_version},
              {"time_limit_ms", status.time_limit_ms},
              {"numa_node", status.numa_node},
              {"iommu_group", status.iommu_group},
              {"vectors", status.vectors},
              {"memory", {{"size", status.memory_size}, {"used", status.memory_used}}},
              {"used", {{"contexts", status.contexts_used}, {"queues", status.queues_used}}},
              {"engines",
               {{"dma", to_json(status.dma)},
                {"compute", to_json(status.compute)},
                {"clock_ns", status.clock_ns}}},
              {"sensors", to_json(status.sensors)},
              {"link", to_json(status.link)},
              {"counters", Json::object()},
              {"aer", Json::object()}};
    for (const auto& [name, value] : status.counters) {
        json["counters"][name] = value;
    }
    json["quota"] = Json::object();
    for (const auto& [name, value] : status.quota) {
        const auto number = parse_number<std::uint64_t>(value);
        json["quota"][name] = number ? Json(*number) : Json(value);
    }
    for (const AerCounter& counter : status.aer) {
        json["aer"][counter.severity][counter.name] = counter.count;
    }
    return json;
}

std::optional<Rates> rates_between(const Status& before, const Status& after) {
    if (!before.clock_ns || !after.clock_ns || *after.clock_ns <= *before.clock_ns ||
        before.generation != after.generation) {
        return std::nullopt;
    }
    Rates rates{.seconds = static_cast<double>(*after.clock_ns - *before.clock_ns) * 1e-9};
    bool reset = false;
    const auto grown = [&](std::uint64_t from, std::uint64_t to) {
        reset = reset || to < from;
        return static_cast<double>(to - from);
    };
    const auto utilization = [&](const EngineState& from, const EngineState& to) {
        if (!from.busy_ns || !to.busy_ns) {
            return 0.0;
        }
        const auto engines = static_cast<double>(to.count.value_or(1));
        return std::min(1.0, grown(*from.busy_ns, *to.busy_ns) * 1e-9 /
                                 (rates.seconds * std::max(engines, 1.0)));
    };
    const auto rate = [&](const char* name) {
        const auto from = before.counters.find(name);
        const auto to = after.counters.find(name);
        return from == before.counters.end() || to == after.counters.end()
                   ? 0.0
                   : grown(from->second, to->second) / rates.seconds;
    };
    rates.dma_busy = utilization(before.dma, after.dma);
    rates.compute_busy = utilization(before.compute, after.compute);
    rates.commands = rate("commands");
    rates.host_read = rate("host_read_bytes");
    rates.host_written = rate("host_written_bytes");
    rates.doorbells = rate("doorbells");
    rates.interrupts = rate("interrupts");
    return reset ? std::nullopt : std::optional(rates);
}

}  // namespace accel::tools
