// SPDX-License-Identifier: Apache-2.0
//
// The PCI functions of a machine, or of a dump that lspci -x wrote. This wraps libpci: all data of
// a function is copied, so nothing of libpci outlives the scan.
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
    std::uint64_t size = 0;  ///< zero: unknown, as in a dump
    bool io = false;
    bool wide = false;
    bool prefetchable = false;
    bool assigned = true;
};

struct Capability {
    unsigned id = 0;
    unsigned offset = 0;
    unsigned version = 0;  ///< of an extended capability
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
    std::vector<std::uint8_t> config;      ///< the readable part: 64, 256 or 4096 bytes

    // Names from libpci's list of ids, or numbers, as the option -n says.
    std::string class_text;
    std::string device_text;  ///< vendor and device
    std::string subsystem_text;
    std::string vendor_name;
    std::string device_name;
    std::string subvendor_name;
    std::string subdevice_name;

    [[nodiscard]] bool accelerator() const;
    /// True for a card that the driver accel supports, not for accelerators of other vendors.
    [[nodiscard]] bool ours() const;
    [[nodiscard]] bool has(unsigned offset, unsigned bytes) const {
        return offset + bytes <= config.size();
    }
    /// Zero beyond the readable part.
    [[nodiscard]] std::uint8_t byte(unsigned offset) const;
    [[nodiscard]] std::uint16_t word(unsigned offset) const;
    [[nodiscard]] std::uint32_t dword(unsigned offset) const;
    [[nodiscard]] std::optional<unsigned> find(unsigned id, bool extended = false) const;
};

struct Scan {
    std::string dump;  ///< a file; empty: this machine
    std::string slot;  ///< filter of -s
    std::string id;    ///< filter of -d
    int numeric = 0;   ///< 1: numbers only, 2: both
    bool domains = false;
};

/// All functions, with bridges, in the order of their addresses. Throws Failure if a filter or the
/// dump is invalid.
[[nodiscard]] std::vector<Function> scan(const SystemRoot& root, const Scan& options);

/// True if the filters of `options` select the function.
[[nodiscard]] bool selected(const Function& function, const Scan& options);

}  // namespace accel::tools::ls
