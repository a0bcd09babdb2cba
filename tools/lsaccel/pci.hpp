// SPDX-License-Identifier: Apache-2.0
//
// The PCI functions of a machine, or of a dump that lspci -x wrote: libpci, wrapped. Whatever it
// knows of a function is copied out, so nothing of libpci outlives the scan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "root.hpp"

namespace accel::tools::ls {

struct Region {
    unsigned index = 0;
    std::uint64_t base = 0;
    std::uint64_t size = 0;  ///< zero: not known, as in a dump
    bool io = false;
    bool wide = false;
    bool prefetchable = false;
    bool assigned = true;
};

struct Capability {
    unsigned id = 0;
    unsigned offset = 0;
    unsigned version = 0;  ///< of an extended one
    bool extended = false;
};

struct Function {
    std::string address;  ///< with its domain
    std::string slot;     ///< as lspci writes it: without domain 0
    unsigned domain = 0;
    unsigned bus = 0;
    unsigned device = 0;
    unsigned function = 0;
    unsigned vendor_id = 0;
    unsigned device_id = 0;
    unsigned subvendor_id = 0;
    unsigned subdevice_id = 0;
    unsigned class_id = 0;
    unsigned prog_if = 0;
    unsigned revision = 0;
    std::string physical_slot;
    std::optional<int> numa_node;
    std::optional<std::string> iommu_group;
    std::optional<std::string> driver;
    std::vector<Region> regions;
    std::vector<Capability> capabilities;  ///< standard ones first, each kind in list order
    std::vector<std::uint8_t> config;      ///< as much as may be read: 64, 256 or 4096 bytes

    // As libpci's list of ids, and the option -n, would have them.
    std::string class_text;
    std::string device_text;  ///< vendor and device
    std::string subsystem_text;
    std::string vendor_name;
    std::string device_name;
    std::string subvendor_name;
    std::string subdevice_name;

    [[nodiscard]] bool accelerator() const;
    /// The card that the driver accel is for, and not an accelerator of another maker.
    [[nodiscard]] bool ours() const;
    [[nodiscard]] bool has(unsigned offset, unsigned bytes) const {
        return offset + bytes <= config.size();
    }
    /// Zero beyond what could be read.
    [[nodiscard]] std::uint8_t byte(unsigned offset) const;
    [[nodiscard]] std::uint16_t word(unsigned offset) const;
    [[nodiscard]] std::uint32_t quad(unsigned offset) const;
    [[nodiscard]] std::optional<unsigned> find(unsigned id, bool extended = false) const;
};

struct Scan {
    std::string dump;  ///< a file; empty: this machine
    std::string slot;  ///< filter of -s
    std::string id;    ///< filter of -d
    int numeric = 0;   ///< 1: numbers only, 2: both
    bool domains = false;
};

/// All functions, bridges too, in order of address. Throws Failure for a bad filter or dump.
[[nodiscard]] std::vector<Function> scan(const Root& root, const Scan& options);

/// Whether the filters of `options` let it through.
[[nodiscard]] bool selected(const Function& function, const Scan& options);

}  // namespace accel::tools::ls
