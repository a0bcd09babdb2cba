// SPDX-License-Identifier: Apache-2.0
//
// The card as the administrator of the machine sees it: sysfs, the module, the node. Finds the
// card by its PCI identity, so it works while no driver is bound.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// A range of addresses, as in sysfs `resource`.
struct Bar {
    std::uint64_t start;
    std::uint64_t bytes;
};

class Card {
  public:
    /// A card of the machine, by its place on the bus; throws if there is none.
    explicit Card(std::size_t index = 0);
    [[nodiscard]] static std::size_t count();

    /// /sys/bus/pci/devices/DDDD:BB:DD.F
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    [[nodiscard]] std::string address() const { return folder_.filename(); }
    /// /dev/accelN, as it is now; empty if no driver is bound.
    [[nodiscard]] std::string node() const;
    /// accelN
    [[nodiscard]] std::string name() const;
    [[nodiscard]] bool bound() const;

    [[nodiscard]] std::vector<std::uint8_t> config() const;
    [[nodiscard]] Bar bar(int index) const;
    [[nodiscard]] std::optional<std::uint64_t> serial() const;

    /// A 64-bit register. Only while no driver is bound: the kernel keeps others out of its BARs.
    [[nodiscard]] std::uint64_t read_register(std::uint64_t offset) const;

    void unbind() const;
    void bind() const;
    /// FLR, through the kernel.
    void reset() const;

    /// Loads the module, or unloads it; errno or 0.
    [[nodiscard]] static int load();
    [[nodiscard]] static int unload();

    /// Interrupts taken so far, by how the name begins that the driver gave them.
    [[nodiscard]] static std::uint64_t interrupts(const std::string& name);
    [[nodiscard]] static int interrupt_lines(const std::string& name);

  private:
    std::filesystem::path folder_;
};

/// Writes a sysfs or procfs file; errno or 0.
[[nodiscard]] int write_file(const std::filesystem::path& path, const std::string& text);
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace bench
