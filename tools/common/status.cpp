// SPDX-License-Identifier: Apache-2.0
#include "status.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

namespace accel::tools {

namespace {

using Json = nlohmann::ordered_json;

std::optional<std::uint64_t> count(const Root& root, const std::string& path) {
    const auto text = root.text(path);
    return text ? parse_number<std::uint64_t>(*text) : std::nullopt;
}

// hwmon counts in so many to the unit.
std::optional<double> scaled(const Root& root, const std::string& path, double parts) {
    const auto value = root.number(path);
    return value ? std::optional(static_cast<double>(*value) / parts) : std::nullopt;
}

// "16.0 GT/s PCIe", or "Unknown".
std::optional<double> speed(const Root& root, const std::string& path) {
    const auto text = root.text(path);
    double value = 0;
    if (!text || !(std::istringstream(*text) >> value)) {
        return std::nullopt;
    }
    return value;
}

std::optional<int> positive(const Root& root, const std::string& path) {
    const auto value = root.number(path);
    return value && *value > 0 ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

Sensors read_sensors(const Root& root, const std::string& pci) {
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

template <typename T>
void put(Json& json, const char* name, const std::optional<T>& value) {
    json[name] = value ? Json(*value) : Json(nullptr);
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
            "the card, look at the slot and its riser",
            now(), best());
    }
    return fmt::format("the link runs at {}, as the slot can do no more; the card could do {}",
                       now(), best());
}

std::uint64_t Status::aer_total(const std::string& severity) const {
    std::uint64_t total = 0;
    for (const AerCounter& counter : aer) {
        total += counter.severity == severity ? counter.count : 0;
    }
    return total;
}

LinkState read_link(const Root& root, const std::string& pci) {
    // A width of 0, or 255, is a link that is down.
    LinkState link{.speed = speed(root, pci + "/current_link_speed"),
                   .width = positive(root, pci + "/current_link_width"),
                   .max_speed = speed(root, pci + "/max_link_speed"),
                   .max_width = positive(root, pci + "/max_link_width"),
                   .port_speed = std::nullopt,
                   .port_width = std::nullopt};
    const std::filesystem::path place = root.target(pci).value_or("");
    if (const std::string port = place.parent_path().filename().string(); full_address(port)) {
        link.port_speed = speed(root, "/sys/bus/pci/devices/" + port + "/max_link_speed");
        link.port_width = positive(root, "/sys/bus/pci/devices/" + port + "/max_link_width");
    }
    constexpr int widest = 32;
    if (link.width > widest) {
        link.width.reset();
    }
    return link;
}

std::vector<AerCounter> read_aer(const Root& root, const std::string& pci) {
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

Status read_status(const Root& root, const Card& card) {
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
    status.memory_size = count(root, folder + "/memory_size");
    status.memory_used = count(root, folder + "/memory_used");
    status.contexts_used = count(root, folder + "/contexts_used");
    status.queues_used = count(root, folder + "/queues_used");
    // The clock last: busy times never run ahead of it.
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

Json to_json(const Status& status) {
    Json json;
    json["address"] = status.card.address;
    json["node"] = status.card.node ? Json(status.card.name()) : Json(nullptr);
    json["driver"] = status.card.driver.empty() ? Json(nullptr) : Json(status.card.driver);
    json["state"] = status.state;
    put(json, "serial", status.serial);
    put(json, "hardware_version", status.hardware_version);
    put(json, "firmware_version", status.firmware_version);
    put(json, "generation", status.generation);
    put(json, "numa_node", status.numa_node);
    put(json, "iommu_group", status.iommu_group);
    put(json, "vectors", status.vectors);
    put(json["memory"], "size", status.memory_size);
    put(json["memory"], "used", status.memory_used);
    put(json["used"], "contexts", status.contexts_used);
    put(json["used"], "queues", status.queues_used);
    for (const auto& [name, engine] :
         {std::pair{"dma", &status.dma}, std::pair{"compute", &status.compute}}) {
        put(json["engines"][name], "count", engine->count);
        put(json["engines"][name], "busy_ns", engine->busy_ns);
    }
    put(json["engines"], "clock_ns", status.clock_ns);
    const Sensors& sensors = status.sensors;
    Json& out = json["sensors"];
    put(out, "celsius", sensors.celsius);
    put(out, "watts", sensors.watts);
    put(out, "cap_watts", sensors.cap_watts);
    put(out, "cap_min_watts", sensors.cap_min_watts);
    put(out, "cap_max_watts", sensors.cap_max_watts);
    put(out, "clock_hz", sensors.clock_hz);
    Json& link = json["link"];
    put(link, "speed_gts", status.link.speed);
    put(link, "width", status.link.width);
    put(link, "max_speed_gts", status.link.max_speed);
    put(link, "max_width", status.link.max_width);
    put(link, "port_speed_gts", status.link.port_speed);
    put(link, "port_width", status.link.port_width);
    link["downgraded"] = status.link.downgraded();
    link["degraded"] = status.link.degraded();
    json["counters"] = Json::object();
    for (const auto& [name, value] : status.counters) {
        json["counters"][name] = value;
    }
    json["aer"] = Json::object();
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
    const auto share = [&](const EngineState& from, const EngineState& to) {
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
    rates.dma_busy = share(before.dma, after.dma);
    rates.compute_busy = share(before.compute, after.compute);
    rates.commands = rate("commands");
    rates.host_read = rate("host_read_bytes");
    rates.host_written = rate("host_written_bytes");
    rates.doorbells = rate("doorbells");
    rates.interrupts = rate("interrupts");
    return reset ? std::nullopt : std::optional(rates);
}

}  // namespace accel::tools
