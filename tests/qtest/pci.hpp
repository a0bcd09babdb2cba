// SPDX-License-Identifier: Apache-2.0
//
// The config space of PCI functions, through the memory-mapped window.
#pragma once

#include <linux/pci_regs.h>

#include <cstdint>
#include <optional>

#include "qemu.hpp"

namespace accel::qtest {

// Enables the window of the q35 chipset. Config space is not accessible before.
void open_config_window(Qemu& qemu);

class PciFunction {
  public:
    PciFunction(Qemu& qemu, unsigned int bus, unsigned int device)
        : qemu_(qemu), bus_(bus), device_(device) {}

    [[nodiscard]] std::uint32_t get(std::uint32_t offset, unsigned int bytes) const;
    void set(std::uint32_t offset, std::uint32_t value, unsigned int bytes) const;
    void set_bits(std::uint32_t offset, std::uint32_t bits, unsigned int bytes) const;
    void clear_bits(std::uint32_t offset, std::uint32_t bits, unsigned int bytes) const;

    // The offset of a capability or an extended capability.
    [[nodiscard]] std::optional<std::uint32_t> capability(unsigned int id) const;
    [[nodiscard]] std::optional<std::uint32_t> extended_capability(unsigned int id) const;

    // The flag bits of a BAR, and its size, which it shows when all ones are written.
    struct Bar {
        std::uint32_t flags;
        std::uint64_t size;
    };
    [[nodiscard]] Bar probe_bar(unsigned int index) const;
    [[nodiscard]] std::uint64_t bar_address(unsigned int index) const;
    void set_bar_address(unsigned int index, std::uint64_t address) const;

  private:
    [[nodiscard]] std::uint64_t address(std::uint32_t offset) const;

    Qemu& qemu_;
    unsigned int bus_;
    unsigned int device_;
};

}  // namespace accel::qtest
