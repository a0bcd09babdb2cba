// SPDX-License-Identifier: Apache-2.0
//
// The card from the administrator's side: sysfs, the module, the node. The card is found by its PCI
// identity, also while no driver is bound.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace uapi {

/// A range of addresses, as in sysfs `resource`.
struct Bar {
    std::uint64_t start;
    std::uint64_t bytes;
};

class Card {
  public:
    /// The card with this index in the order of the bus; throws if there is none.
    explicit Card(std::size_t index = 0);
    [[nodiscard]] static std::size_t count();

    /// /sys/bus/pci/devices/DDDD:BB:DD.F
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
    [[nodiscard]] std::string address() const { return folder_.filename(); }
    /// The current /dev/accelN; empty if no driver is bound.
    [[nodiscard]] std::string node() const;
    /// accelN
    [[nodiscard]] std::string name() const;
    [[nodiscard]] bool bound() const;

    [[nodiscard]] std::vector<std::uint8_t> config() const;
    [[nodiscard]] Bar bar(int index) const;
    [[nodiscard]] std::optional<std::uint64_t> serial() const;

    /// Reads a 64-bit register. This works only while no driver is bound: a driver owns its BARs.
    [[nodiscard]] std::uint64_t read_register(std::uint64_t offset) const;

    void unbind() const;
    void bind() const;
    /// Makes the kernel do an FLR.
    void reset() const;

    /// Loads or unloads the module; returns 0 or an errno.
    [[nodiscard]] static int load();
    [[nodiscard]] static int unload();

    /// The number of interrupts so far whose name in /proc/interrupts begins with `name`.
    [[nodiscard]] static std::uint64_t interrupts(const std::string& name);
    [[nodiscard]] static int interrupt_lines(const std::string& name);

  private:
    std::filesystem::path folder_;
};

/// Writes a sysfs or procfs file; returns 0 or an errno.
[[nodiscard]] int write_file(const std::filesystem::path& path, const std::string& text);
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace uapi
