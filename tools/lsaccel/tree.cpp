// SPDX-License-Identifier: Apache-2.0
//
// The tree of buses from the root complex to the accelerators, as lspci -t draws it.
extern "C" {
#include <pci/header.h>
}

#include <fmt/core.h>

#include <algorithm>
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

// Nothing unless the function is a bridge to a bus below it. A config space that claims a bus at or
// above its own would make the tree endless.
std::optional<Bridge> bridge_of(const Function& f) {
    if ((f.byte(PCI_HEADER_TYPE) & 0x7fU) != PCI_HEADER_TYPE_BRIDGE ||
        f.byte(PCI_SECONDARY_BUS) <= f.bus) {
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

// Draws the buses that lead to an accelerator.
class Tree {
  public:
    Tree(const std::vector<Function>& all, const std::vector<Entry>& entries, bool verbose)
        : all_(all), verbose_(verbose) {
        for (const Entry& entry : entries) {
            wanted_.emplace(entry.function.address, &entry);
        }
    }

    [[nodiscard]] std::string draw() const {
        std::set<Bus> below;
        for (const Function& f : all_) {
            if (const auto bridge = bridge_of(f)) {
                below.emplace(f.domain, bridge->secondary);
            }
        }
        std::string out;
        std::set<Bus> roots;
        for (const Function& f : all_) {
            const Bus bus(f.domain, f.bus);
            if (!below.contains(bus) && leads_to_wanted(f) && roots.insert(bus).second) {
                const std::string head = fmt::format("-[{:04x}:{:02x}]", f.domain, f.bus);
                out += head + draw_bus(bus, std::string(head.size(), ' '));
            }
        }
        return out;
    }

  private:
    using Bus = std::pair<unsigned, unsigned>;  ///< domain and number

    [[nodiscard]] bool leads_to_wanted(const Function& f) const {
        if (wanted_.contains(f.address)) {
            return true;
        }
        const auto bridge = bridge_of(f);
        return bridge && std::any_of(all_.begin(), all_.end(), [&](const Function& below) {
                   return below.domain == f.domain && below.bus == bridge->secondary &&
                          leads_to_wanted(below);
               });
    }

    [[nodiscard]] std::string draw_bus(Bus bus, const std::string& indent) const {
        std::vector<const Function*> functions;
        for (const Function& f : all_) {
            if (Bus(f.domain, f.bus) == bus && leads_to_wanted(f)) {
                functions.push_back(&f);
            }
        }
        std::string out;
        for (std::size_t i = 0; i < functions.size(); ++i) {
            const bool last = i + 1 == functions.size();
            const std::string prefix = functions.size() == 1 ? "---"
                                       : i == 0              ? "-+-"
                                       : last                ? " \\-"
                                                             : " +-";
            out += (i == 0 ? "" : indent) + draw_function(*functions[i], prefix, last, indent);
        }
        return out;
    }

    // A function, and the bus below it if it is a bridge.
    [[nodiscard]] std::string draw_function(const Function& f, const std::string& prefix, bool last,
                                            const std::string& indent) const {
        const auto entry = wanted_.find(f.address);
        const bool is_wanted = entry != wanted_.end();
        const std::string text =
            prefix + label(f, is_wanted ? entry->second : nullptr, verbose_ && is_wanted);
        const auto bridge = bridge_of(f);
        if (!bridge) {
            return text + "\n";
        }
        const std::string range =
            bridge->secondary == bridge->subordinate
                ? fmt::format("-[{:02x}]-", bridge->secondary)
                : fmt::format("-[{:02x}-{:02x}]-", bridge->secondary, bridge->subordinate);
        const std::string next = indent + (last ? " " : " |") +
                                 std::string(text.size() - (last ? 1 : 2) + range.size(), ' ');
        return text + range + draw_bus({f.domain, bridge->secondary}, next);
    }

    const std::vector<Function>& all_;
    std::map<std::string, const Entry*> wanted_;
    bool verbose_;
};

}  // namespace

std::string show_tree(const std::vector<Function>& all, const std::vector<Entry>& entries,
                      bool verbose) {
    return Tree(all, entries, verbose).draw();
}

}  // namespace accel::tools::ls
