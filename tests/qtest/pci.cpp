// SPDX-License-Identifier: Apache-2.0
//
// Access to config space, capabilities and BARs.
#include "pci.hpp"

namespace accel::qtest {
namespace {

constexpr std::uint64_t window = 0xb0000000;
constexpr std::uint16_t config_address_port = 0xcf8;
constexpr std::uint16_t config_data_port = 0xcfc;
constexpr std::uint32_t q35_pciexbar = 0x60;  // of the host bridge, 00:00.0

constexpr std::uint32_t bar_offset(unsigned int index) {
    return PCI_BASE_ADDRESS_0 + 4 * index;
}

}  // namespace

void open_config_window(Qemu& qemu) {
    constexpr std::uint32_t enable = 1;
    qemu.out32(config_address_port, 0x80000000U | (q35_pciexbar + 4));
    qemu.out32(config_data_port, 0);
    qemu.out32(config_address_port, 0x80000000U | q35_pciexbar);
    qemu.out32(config_data_port, static_cast<std::uint32_t>(window) | enable);
}

std::uint64_t PciFunction::address(std::uint32_t offset) const {
    return window + (std::uint64_t{bus_} << 20) + (std::uint64_t{device_} << 15) + offset;
}

std::uint32_t PciFunction::get(std::uint32_t offset, unsigned int bytes) const {
    return static_cast<std::uint32_t>(qemu_.read(address(offset), bytes));
}

void PciFunction::set(std::uint32_t offset, std::uint32_t value, unsigned int bytes) const {
    qemu_.write(address(offset), value, bytes);
}

void PciFunction::set_bits(std::uint32_t offset, std::uint32_t bits, unsigned int bytes) const {
    set(offset, get(offset, bytes) | bits, bytes);
}

void PciFunction::clear_bits(std::uint32_t offset, std::uint32_t bits, unsigned int bytes) const {
    set(offset, get(offset, bytes) & ~bits, bytes);
}

std::optional<std::uint32_t> PciFunction::capability(unsigned int id) const {
    std::uint32_t at = get(PCI_CAPABILITY_LIST, 1);
    for (int seen = 0; at != 0 && seen < 48; ++seen) {
        if (get(at + PCI_CAP_LIST_ID, 1) == id) {
            return at;
        }
        at = get(at + PCI_CAP_LIST_NEXT, 1);
    }
    return std::nullopt;
}

std::optional<std::uint32_t> PciFunction::extended_capability(unsigned int id) const {
    std::uint32_t at = 0x100;
    for (int seen = 0; at != 0 && seen < 480; ++seen) {
        const std::uint32_t header = get(at, 4);
        if (PCI_EXT_CAP_ID(header) == id) {
            return at;
        }
        at = PCI_EXT_CAP_NEXT(header);
    }
    return std::nullopt;
}

PciFunction::Bar PciFunction::probe_bar(unsigned int index) const {
    const std::uint32_t low = bar_offset(index);
    const std::uint64_t before = bar_address(index);
    set(low, ~0U, 4);
    set(low + 4, ~0U, 4);
    const std::uint32_t flags =
        get(low, 4) & ~static_cast<std::uint32_t>(PCI_BASE_ADDRESS_MEM_MASK);
    const std::uint64_t mask = bar_address(index);
    set_bar_address(index, before);
    return {flags, ~mask + 1};
}

std::uint64_t PciFunction::bar_address(unsigned int index) const {
    const std::uint32_t low = bar_offset(index);
    return (std::uint64_t{get(low + 4, 4)} << 32 | get(low, 4)) &
           static_cast<std::uint64_t>(PCI_BASE_ADDRESS_MEM_MASK);
}

void PciFunction::set_bar_address(unsigned int index, std::uint64_t address) const {
    const std::uint32_t low = bar_offset(index);
    set(low, static_cast<std::uint32_t>(address), 4);
    set(low + 4, static_cast<std::uint32_t>(address >> 32), 4);
}

}  // namespace accel::qtest
