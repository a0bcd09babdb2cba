// SPDX-License-Identifier: Apache-2.0
//
// The document lsaccel/1. Its schema is tools/schema/lsaccel.json.
extern "C" {
#include <pci/header.h>
}

#include <fmt/core.h>

#include <array>

#include "show.hpp"

namespace accel::tools::ls {

namespace {

std::string hex(unsigned value, int digits = 4) {
    return fmt::format("{:0{}x}", value, digits);
}

Json link_json(const Function& f) {
    const auto at = f.find(PCI_CAP_ID_EXP);
    if (!at) {
        return {};
    }
    constexpr std::array speeds{0.0, 2.5, 5.0, 8.0, 16.0, 32.0, 64.0};
    const auto speed = [&](unsigned code) {
        return code > 0 && code < speeds.size() ? Json(speeds.at(code)) : Json();
    };
    const std::uint32_t cap = f.dword(*at + PCI_EXP_LNKCAP);
    const std::uint32_t status = f.word(*at + PCI_EXP_LNKSTA);
    const unsigned width = (cap & PCI_EXP_LNKCAP_WIDTH) >> 4;
    const unsigned lanes = (status & PCI_EXP_LNKSTA_WIDTH) >> 4;
    const unsigned code = status & PCI_EXP_LNKSTA_SPEED;
    return {{"speed_gts", speed(code)},
            {"width", lanes},
            {"max_speed_gts", speed(cap & PCI_EXP_LNKCAP_SPEED)},
            {"max_width", width},
            {"downgraded", lanes < width || code < (cap & PCI_EXP_LNKCAP_SPEED)}};
}

Json msix_json(const Function& f) {
    const auto at = f.find(PCI_CAP_ID_MSIX);
    if (!at) {
        return {};
    }
    const unsigned control = f.word(*at + PCI_CAP_FLAGS);
    return {{"enabled", (control & PCI_MSIX_ENABLE) != 0},
            {"count", (control & PCI_MSIX_TABSIZE) + 1},
            {"masked", (control & PCI_MSIX_MASK) != 0}};
}

Json serial_json(const Function& f) {
    const auto at = f.find(PCI_EXT_CAP_ID_DSN, true);
    return at ? Json(fmt::format("{:08x}{:08x}", f.dword(*at + 8), f.dword(*at + 4))) : Json();
}

}  // namespace

Json to_json(const Entry& entry) {
    const Function& f = entry.function;
    Json json{{"address", f.address},
              {"class", {{"id", hex(f.class_id)}, {"name", f.class_text}}},
              {"vendor", {{"id", hex(f.vendor_id)}, {"name", f.vendor_name}}},
              {"device", {{"id", hex(f.device_id)}, {"name", f.device_name}}},
              {"subsystem", {{"vendor", hex(f.subvendor_id)}, {"device", hex(f.subdevice_id)}}},
              {"revision", hex(f.revision, 2)},
              {"physical_slot", f.physical_slot.empty() ? Json() : Json(f.physical_slot)},
              {"driver", f.driver},
              {"numa_node", f.numa_node},
              {"iommu_group", f.iommu_group},
              {"serial", serial_json(f)},
              {"link", link_json(f)},
              {"msix", msix_json(f)},
              {"bars", Json::array()}};
    for (const Region& region : f.regions) {
        json["bars"].push_back({{"index", region.index},
                                {"type", region.io ? "io" : "memory"},
                                {"address", region.assigned ? Json(region.base) : Json()},
                                {"size", region.size != 0 ? Json(region.size) : Json()},
                                {"wide", region.wide},
                                {"prefetchable", region.prefetchable}});
    }
    json["card"] = Json();
    if (entry.status) {
        json["card"] = tools::to_json(*entry.status);
        json["clients"] = Json::array();
        for (const Client& client : entry.clients) {
            json["clients"].push_back(tools::to_json(client));
        }
    }
    return json;
}

}  // namespace accel::tools::ls
