// SPDX-License-Identifier: Apache-2.0
//
// Where the accelerators hang: from the root complex through bridges, as lspci -t draws it.
extern "C" {
#include <pci/header.h>
}

#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>

#include "capabilities.hpp"
#include "show.hpp"

namespace accel::tools::ls {

namespace {

struct Bridge {
    unsigned secondary = 0;
    unsigned subordinate = 0;
};

std::optional<Bridge> bridge_of(const Function& f) {
    if ((f.byte(PCI_HEADER_TYPE) & 0x7fU) != PCI_HEADER_TYPE_BRIDGE) {
        return std::nullopt;
    }
    return Bridge{.secondary = f.byte(PCI_SECONDARY_BUS),
                  .subordinate = f.byte(PCI_SUBORDINATE_BUS)};
}

std::string label(const Function& f, const Entry* entry, bool verbose) {
    std::string text = fmt::format("{:02x}.{:x}", f.device, f.function);
    if (!verbose) {
        return text;
    }
    text += "  " + f.device_text;
    if (entry != nullptr && entry->status) {
        const Status& status = *entry->status;
        text += status.card.node ? "  " + status.card.name() : "";
        text += "  " + status.link.now() + (status.link.downgraded() ? " (downgraded)" : "");
    }
    return text;
}

}  // namespace

std::string show_tree(const std::vector<Function>& all, const std::vector<Entry>& entries,
                      bool verbose) {
    std::map<std::string, const Entry*> wanted;
    for (const Entry& entry : entries) {
        wanted.emplace(entry.function.address, &entry);
    }
    // Only what leads to an accelerator is drawn.
    const std::function<bool(const Function&)> leads = [&](const Function& f) {
        if (wanted.contains(f.address)) {
            return true;
        }
        const auto bridge = bridge_of(f);
        if (!bridge || bridge->secondary <= f.bus) {
            return false;
        }
        for (const Function& below : all) {
            if (below.domain == f.domain && below.bus == bridge->secondary && leads(below)) {
                return true;
            }
        }
        return false;
    };
    const std::function<std::string(unsigned, unsigned, const std::string&)> draw =
        [&](unsigned domain, unsigned bus, const std::string& indent) {
            std::vector<const Function*> here;
            for (const Function& f : all) {
                if (f.domain == domain && f.bus == bus && leads(f)) {
                    here.push_back(&f);
                }
            }
            std::string out;
            for (std::size_t i = 0; i < here.size(); ++i) {
                const Function& f = *here[i];
                const bool only = here.size() == 1;
                const bool last = i + 1 == here.size();
                const std::string prefix = only ? "---" : i == 0 ? "-+-" : last ? " \\-" : " +-";
                const auto entry = wanted.find(f.address);
                std::string text =
                    prefix + label(f, entry != wanted.end() ? entry->second : nullptr,
                                   verbose && entry != wanted.end());
                out += (i == 0 ? "" : indent) + text;
                const auto bridge = bridge_of(f);
                if (!bridge || bridge->secondary <= f.bus) {
                    out += "\n";
                    continue;
                }
                const std::string range =
                    bridge->secondary == bridge->subordinate
                        ? fmt::format("-[{:02x}]-", bridge->secondary)
                        : fmt::format("-[{:02x}-{:02x}]-", bridge->secondary, bridge->subordinate);
                const std::string next =
                    indent + (only || last ? " " : " |") +
                    std::string(text.size() - (only || last ? 1 : 2) + range.size(), ' ');
                out += range + draw(domain, bridge->secondary, next);
            }
            return out;
        };
    std::string out;
    std::set<std::pair<unsigned, unsigned>> below;
    for (const Function& f : all) {
        if (const auto bridge = bridge_of(f); bridge && bridge->secondary > f.bus) {
            below.emplace(f.domain, bridge->secondary);
        }
    }
    std::set<std::pair<unsigned, unsigned>> roots;
    for (const Function& f : all) {
        const std::pair<unsigned, unsigned> bus(f.domain, f.bus);
        if (!below.contains(bus) && leads(f) && roots.insert(bus).second) {
            const std::string head = fmt::format("-[{:04x}:{:02x}]", f.domain, f.bus);
            out += head + draw(f.domain, f.bus, std::string(head.size(), ' '));
        }
    }
    return out;
}

}  // namespace accel::tools::ls
