// SPDX-License-Identifier: Apache-2.0
#include "pci.hpp"

#include <accel_hw.h>
#include <fmt/core.h>

extern "C" {
#include <pci/pci.h>
}

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <memory>

#include "exit.hpp"

namespace accel::tools::ls {

namespace {

constexpr unsigned base_class = 0x12;  // processing accelerators

// The default of libpci would write to stderr and end the process.
void fail(char* format, ...) __attribute__((noreturn));
void fail(char* format, ...) {  // NOLINT(cert-dcl50-cpp): libpci's type
    std::array<char, 512> text{};
    va_list arguments;
    va_start(arguments, format);
    (void)std::vsnprintf(text.data(), text.size(), format, arguments);
    va_end(arguments);
    throw Failure(Exit::file, text.data());
}

void ignore(char* /*format*/, ...) {}  // NOLINT(cert-dcl50-cpp)

struct Close {
    void operator()(pci_access* access) const { pci_cleanup(access); }
};
using Access = std::unique_ptr<pci_access, Close>;

Access open(const SystemRoot& root, const Scan& options) {
    Access access(pci_alloc());
    access->error = fail;
    access->warning = ignore;
    access->debug = ignore;
    if (!options.dump.empty()) {
        access->method = PCI_ACCESS_DUMP;
        if (pci_set_param(access.get(), const_cast<char*>("dump.name"),
                          const_cast<char*>(options.dump.c_str())) != 0) {
            throw Failure(Exit::unsupported, "this libpci cannot read dumps",
                          "use a libpci that is built with its dump method");
        }
    } else {
        const std::string path = root.real("/sys/bus/pci");
        if (!root.exists("/sys/bus/pci/devices")) {
            throw Failure(
                Exit::unsupported,
                fmt::format("{} is missing: this machine has no PCI, or /sys is not mounted", path),
                "mount -t sysfs sysfs /sys");
        }
        access->method = PCI_ACCESS_SYS_BUS_PCI;
        pci_set_param(access.get(), const_cast<char*>("sysfs.path"),
                      const_cast<char*>(path.c_str()));
    }
    access->numeric_ids = options.numeric;
    pci_init(access.get());
    return access;
}

template <typename... Arguments>
std::string lookup(pci_access* access, int what, Arguments... arguments) {
    std::array<char, 256> buffer{};
    const char* const text =
        pci_lookup_name(access, buffer.data(), buffer.size(), what, arguments...);
    return text != nullptr ? text : "";
}

// The part of config space that this user may read.
std::vector<std::uint8_t> read_config(pci_dev* dev) {
    std::vector<std::uint8_t> config;
    for (const unsigned size : {64U, 256U, 4096U}) {
        const auto have = static_cast<unsigned>(config.size());
        std::vector<std::uint8_t> more(size - have);
        if (pci_read_block(dev, static_cast<int>(have), more.data(),
                           static_cast<int>(more.size())) == 0) {
            break;
        }
        config.insert(config.end(), more.begin(), more.end());
    }
    return config;
}

std::vector<Region> read_regions(const pci_dev& dev, const Function& function) {
    std::vector<Region> regions;
    constexpr unsigned count = 6;
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t raw = function.dword(PCI_BASE_ADDRESS_0 + 4 * i);
        const auto base = static_cast<std::uint64_t>(dev.base_addr[i]);
        const auto size = static_cast<std::uint64_t>(dev.size[i]);
        if (base == 0 && size == 0 && raw == 0) {
            continue;
        }
        const bool io = (raw & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_IO;
        Region region{.index = i, .base = 0, .size = size, .io = io};
        region.base =
            base & (io ? std::uint64_t{PCI_BASE_ADDRESS_IO_MASK}
                       : ~std::uint64_t{~static_cast<std::uint32_t>(PCI_BASE_ADDRESS_MEM_MASK)});
        region.wide = !io && (raw & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
        region.prefetchable = !io && (raw & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0;
        region.assigned = region.base != 0;
        regions.push_back(region);
        i += region.wide ? 1 : 0;
    }
    return regions;
}

std::vector<Capability> read_capabilities(const Function& function) {
    std::vector<Capability> list;
    std::array<bool, 4096> seen{};  // ends a list that is a cycle
    if ((function.word(PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) {
        return list;
    }
    for (unsigned at = function.byte(PCI_CAPABILITY_LIST) & ~3U; at != 0 && function.has(at, 2);
         at = function.byte(at + 1) & ~3U) {
        if (std::exchange(seen.at(at), true)) {
            break;
        }
        list.push_back({.id = function.byte(at), .offset = at});
    }
    constexpr unsigned first = 0x100;
    for (unsigned at = first; at >= first && function.has(at, 4);) {
        const std::uint32_t header = function.dword(at);
        if (header == 0 || header == ~0U || std::exchange(seen.at(at), true)) {
            break;
        }
        list.push_back({.id = header & 0xffffU,
                        .offset = at,
                        .version = header >> 16 & 0xfU,
                        .extended = true});
        at = header >> 20 & ~3U;
    }
    return list;
}

Function read_function(pci_access* access, pci_dev* dev, const Scan& options) {
    pci_fill_info(dev, PCI_FILL_IDENT | PCI_FILL_BASES | PCI_FILL_SIZES | PCI_FILL_CLASS |
                           PCI_FILL_PHYS_SLOT | PCI_FILL_NUMA_NODE | PCI_FILL_IOMMU_GROUP |
                           PCI_FILL_DRIVER | PCI_FILL_CLASS_EXT | PCI_FILL_SUBSYS);
    Function f;
    f.domain = static_cast<unsigned>(dev->domain);
    f.bus = dev->bus;
    f.device = dev->dev;
    f.function = dev->func;
    f.address = fmt::format("{:04x}:{:02x}:{:02x}.{:x}", f.domain, f.bus, f.device, f.function);
    f.slot =
        options.domains || f.domain != 0 ? f.address : f.address.substr(f.address.find(':') + 1);
    f.config = read_config(dev);
    f.vendor_id = dev->vendor_id;
    f.device_id = dev->device_id;
    f.class_id = dev->device_class;
    f.prog_if = f.byte(PCI_CLASS_PROG);
    f.revision = f.byte(PCI_REVISION_ID);
    if ((f.byte(PCI_HEADER_TYPE) & 0x7fU) == PCI_HEADER_TYPE_NORMAL) {
        f.subvendor_id = f.word(PCI_SUBSYSTEM_VENDOR_ID);
        f.subdevice_id = f.word(PCI_SUBSYSTEM_ID);
    }
    f.physical_slot = dev->phy_slot != nullptr ? dev->phy_slot : "";
    if (dev->numa_node >= 0 && options.dump.empty()) {
        f.numa_node = dev->numa_node;
    }
    if (options.dump.empty()) {
        if (const char* group = pci_get_string_property(dev, PCI_FILL_IOMMU_GROUP)) {
            f.iommu_group = group;
        }
        if (const char* driver = pci_get_string_property(dev, PCI_FILL_DRIVER)) {
            f.driver = driver;
        }
    }
    f.regions = read_regions(*dev, f);
    f.capabilities = read_capabilities(f);

    f.class_text = lookup(access, PCI_LOOKUP_CLASS, f.class_id);
    f.device_text = lookup(access, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, f.vendor_id, f.device_id);
    f.vendor_name = lookup(access, PCI_LOOKUP_VENDOR, f.vendor_id);
    f.device_name = lookup(access, PCI_LOOKUP_DEVICE, f.vendor_id, f.device_id);
    if (f.subvendor_id != 0 && f.subvendor_id != 0xffff) {
        f.subsystem_text =
            lookup(access, PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE,
                   f.vendor_id, f.device_id, f.subvendor_id, f.subdevice_id);
        f.subvendor_name = lookup(access, PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR, f.subvendor_id);
        f.subdevice_name = lookup(access, PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_DEVICE, f.vendor_id,
                                  f.device_id, f.subvendor_id, f.subdevice_id);
    }
    return f;
}

pci_filter parse_filter(const Scan& options) {
    pci_filter filter{};
    pci_filter_init(nullptr, &filter);
    std::string slot = options.slot;  // libpci modifies the text that it parses
    std::string id = options.id;
    if (const char* reason = slot.empty() ? nullptr : pci_filter_parse_slot(&filter, slot.data())) {
        throw Failure(Exit::usage, fmt::format("-s {}: {}", options.slot, reason),
                      "-s [[DOMAIN]:]BUS]:][DEVICE][.[FUNCTION]], such as -s 01:00.0");
    }
    if (const char* reason = id.empty() ? nullptr : pci_filter_parse_id(&filter, id.data())) {
        throw Failure(Exit::usage, fmt::format("-d {}: {}", options.id, reason),
                      "-d [VENDOR]:[DEVICE][:CLASS], such as -d 1234:acc1");
    }
    return filter;
}

}  // namespace

bool Function::accelerator() const {
    return class_id >> 8 == base_class || ours();
}

bool Function::ours() const {
    return vendor_id == ACCEL_PCI_VENDOR && device_id == ACCEL_PCI_DEVICE;
}

std::uint8_t Function::byte(unsigned offset) const {
    return has(offset, 1) ? config[offset] : 0;
}

std::uint16_t Function::word(unsigned offset) const {
    return static_cast<std::uint16_t>(byte(offset) | byte(offset + 1) << 8);
}

std::uint32_t Function::dword(unsigned offset) const {
    return word(offset) | static_cast<std::uint32_t>(word(offset + 2)) << 16;
}

std::optional<unsigned> Function::find(unsigned id, bool extended) const {
    for (const Capability& capability : capabilities) {
        if (capability.id == id && capability.extended == extended) {
            return capability.offset;
        }
    }
    return std::nullopt;
}

std::vector<Function> scan(const SystemRoot& root, const Scan& options) {
    static_cast<void>(parse_filter(options));  // an invalid filter is reported before the scan
    const Access access = open(root, options);
    pci_scan_bus(access.get());
    std::vector<Function> functions;
    for (pci_dev* dev = access->devices; dev != nullptr; dev = dev->next) {
        functions.push_back(read_function(access.get(), dev, options));
    }
    std::sort(functions.begin(), functions.end(),
              [](const Function& a, const Function& b) { return a.address < b.address; });
    return functions;
}

bool selected(const Function& function, const Scan& options) {
    const pci_filter filter = parse_filter(options);
    const auto fits = [](int wanted, unsigned value) {
        return wanted < 0 || static_cast<unsigned>(wanted) == value;
    };
    return fits(filter.domain, function.domain) && fits(filter.bus, function.bus) &&
           fits(filter.slot, function.device) && fits(filter.func, function.function) &&
           fits(filter.vendor, function.vendor_id) && fits(filter.device, function.device_id) &&
           (filter.device_class < 0 ||
            ((static_cast<unsigned>(filter.device_class) ^ function.class_id) &
             (filter.device_class_mask & 0xffff)) == 0);
}

}  // namespace accel::tools::ls
