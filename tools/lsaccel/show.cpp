// SPDX-License-Identifier: Apache-2.0
#include "show.hpp"

#include <fmt/core.h>

extern "C" {
#include <pci/header.h>
}

#include <map>

#include "capabilities.hpp"
#include "text.hpp"

namespace accel::tools::ls {

namespace {

std::string title(const Function& f, int verbose) {
    std::string text = fmt::format("{} {}: {}", f.slot, f.class_text, f.device_text);
    if (f.revision != 0) {
        text += fmt::format(" (rev {:02x})", f.revision);
    }
    if (verbose > 0 && f.prog_if != 0) {
        text += fmt::format(" (prog-if {:02x})", f.prog_if);
    }
    return text + "\n";
}

// The one-line summary that replaces Control and Status at -v.
std::string flags_line(const Function& f) {
    std::string text = "Flags:";
    const auto add = [&](bool condition, const std::string& name) {
        text += condition ? (text.ends_with(':') ? " " : ", ") + name : "";
    };
    const unsigned command = f.word(PCI_COMMAND);
    add((command & PCI_COMMAND_MASTER) != 0, "bus master");
    add(true, "fast devsel");
    add((command & PCI_COMMAND_MASTER) != 0, "latency 0");
    add(f.numa_node.has_value(), fmt::format("NUMA node {}", f.numa_node.value_or(0)));
    add(f.iommu_group.has_value(), "IOMMU group " + f.iommu_group.value_or(""));
    return text;
}

std::string aer_text(const Status& status) {
    if (status.aer.empty()) {
        return "not reported by this kernel";
    }
    std::map<std::string, std::string> groups;
    for (const AerCounter& counter : status.aer) {
        if (counter.count != 0) {
            groups[counter.severity] += fmt::format(" {} {}", counter.name, counter.count);
        }
    }
    std::string text;
    for (const char* severity : {"fatal", "nonfatal", "correctable"}) {
        if (const auto found = groups.find(severity); found != groups.end()) {
            text += (text.empty() ? "" : "; ") + found->first + found->second;
        }
    }
    return text.empty() ? "none" : text;
}

// The lines that lspci does not have: the state that only the running system knows.
void show_accelerator(std::string& out, const Entry& entry, const Terminal& terminal) {
    const Status& status = *entry.status;
    const auto line = [&](const std::string& text) { out += "\t" + text + "\n"; };
    if (status.card.node) {
        const bool fine = status.state == "running";
        line(fmt::format("Accelerator: {}, {}, serial {}, firmware {}", status.card.path(),
                         terminal.paint(fine ? Color::good : Color::bad, status.state),
                         status.serial.value_or("unknown"),
                         status.firmware_version.value_or("unknown")));
        line(fmt::format("Device memory: {}, {} used; {} and {} in use",
                         human_bytes(status.memory_size.value_or(0)),
                         human_bytes(status.memory_used.value_or(0)),
                         plural(status.contexts_used.value_or(0), "context"),
                         plural(status.queues_used.value_or(0), "queue")));
    } else {
        line("Accelerator: " + terminal.paint(Color::warning, "no node") +
             "; 'accelctl doctor' looks for the reason");
    }
    if (status.link.downgraded()) {
        line(terminal.paint(Color::bad, "WARNING: " + status.link.warning()));
    }
    if (status.vectors) {
        line(fmt::format("Interrupt vectors: {} set up", *status.vectors));
    }
    line("Link errors since boot: " + aer_text(status));
    std::string held;
    for (const Client& client : entry.clients) {
        held += fmt::format("{}{} (pid {}, {})", held.empty() ? "" : ", ", client.name, client.pid,
                            client.user);
    }
    line("Held by: " + (held.empty() ? "nobody" : held));
}

void show_capabilities(std::string& out, const Function& f, int verbose) {
    if ((f.word(PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) {
        return;
    }
    constexpr std::size_t readable = 256;
    if (f.config.size() < readable) {
        out += "\tCapabilities: <access denied>\n";
        return;
    }
    for (const Capability& capability : f.capabilities) {
        bool first = true;
        for (const std::string& line : describe(f, capability, verbose)) {
            out += (first ? "\t" : "\t\t") + line + "\n";
            first = false;
        }
    }
}

void show_details(std::string& out, const Function& f, int verbose) {
    const auto line = [&](const std::string& text) { out += "\t" + text + "\n"; };
    if (!f.physical_slot.empty()) {
        line("Physical Slot: " + f.physical_slot);
    }
    if (verbose >= 2) {
        line(control_line(f));
        line(status_line(f));
        if ((f.word(PCI_COMMAND) & PCI_COMMAND_MASTER) != 0) {
            line(fmt::format("Latency: {}", f.byte(PCI_LATENCY_TIMER)));
        }
        if (f.numa_node) {
            line(fmt::format("NUMA node: {}", *f.numa_node));
        }
        if (f.iommu_group) {
            line("IOMMU group: " + *f.iommu_group);
        }
        for (const Region& region : f.regions) {
            line(fmt::format("Region {}: {}", region.index, region_text(region)));
        }
    } else {
        line(flags_line(f));
        for (const Region& region : f.regions) {
            line(region_text(region));
        }
    }
    show_capabilities(out, f, verbose);
}

}  // namespace

std::string show(const Entry& entry, const View& view, const Terminal& terminal) {
    const Function& f = entry.function;
    std::string out = title(f, view.verbose);
    if ((view.verbose > 0 || view.kernel) && !f.subsystem_text.empty()) {
        out += "\tSubsystem: " + f.subsystem_text + "\n";
    }
    if (view.verbose > 0) {
        show_details(out, f, view.verbose);
    }
    if (view.verbose > 0 || view.kernel) {
        if (f.driver) {
            out += "\tKernel driver in use: " + *f.driver + "\n";
        }
        if (entry.status && view.kernel) {
            out += "\tNode: " +
                   (entry.status->card.node ? entry.status->card.path() : std::string("none")) +
                   "\n";
        }
    }
    if (view.verbose > 0 && entry.status) {
        show_accelerator(out, entry, terminal);
    } else if (entry.status && entry.status->link.downgraded()) {
        out += "\t" + terminal.paint(Color::bad, "WARNING: " + entry.status->link.warning()) + "\n";
    }
    if (view.hex > 0) {
        out += show_hex(f, view.hex);
    }
    return out;
}

std::string show_hex(const Function& f, int level) {
    const std::size_t wanted = level >= 4 ? 4096 : level == 3 ? 256 : 64;
    std::string out;
    constexpr std::size_t row = 16;
    for (std::size_t at = 0; at < std::min(wanted, f.config.size()); at += row) {
        out += fmt::format("{:02x}:", at);
        for (std::size_t i = 0; i < row; ++i) {
            out += fmt::format(" {:02x}", f.config[at + i]);
        }
        out += "\n";
    }
    return out;
}

std::string show_machine(const Function& f, bool records) {
    if (!records) {
        std::string out =
            fmt::format(R"({} "{}" "{}" "{}")", f.slot, f.class_text, f.vendor_name, f.device_name);
        out += f.revision != 0 ? fmt::format(" -r{:02x}", f.revision) : "";
        return out + fmt::format(" -p{:02x} \"{}\" \"{}\"\n", f.prog_if, f.subvendor_name,
                                 f.subdevice_name);
    }
    std::string out;
    const auto line = [&](const char* name, const std::string& value) {
        out += value.empty() ? "" : fmt::format("{}:\t{}\n", name, value);
    };
    line("Slot", f.slot);
    line("Class", f.class_text);
    line("Vendor", f.vendor_name);
    line("Device", f.device_name);
    line("SVendor", f.subvendor_name);
    line("SDevice", f.subdevice_name);
    line("PhySlot", f.physical_slot);
    line("Rev", f.revision != 0 ? fmt::format("{:02x}", f.revision) : "");
    line("ProgIf", fmt::format("{:02x}", f.prog_if));
    line("Driver", f.driver.value_or(""));
    line("NUMANode", f.numa_node ? std::to_string(*f.numa_node) : "");
    line("IOMMUGroup", f.iommu_group.value_or(""));
    return out + "\n";
}

std::vector<std::string> notes(const std::vector<Entry>& entries, const Clients& clients,
                               bool dump) {
    std::vector<std::string> list;
    unsigned denied = 0;
    constexpr std::size_t readable = 256;
    for (const Entry& entry : entries) {
        denied += entry.function.config.size() < readable ? 1 : 0;
    }
    if (denied > 0 && dump) {
        list.emplace_back(
            "the dump has only the first 64 bytes of config space: write it with lspci -xxxx");
    } else if (denied > 0) {
        list.emplace_back(
            "capabilities are not shown, as config space beyond 64 bytes is root's to read: run as "
            "root to see them");
    }
    if (!entries.empty() && !hidden_note(clients).empty()) {
        list.emplace_back(hidden_note(clients));
    }
    return list;
}

}  // namespace accel::tools::ls
