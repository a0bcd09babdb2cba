// SPDX-License-Identifier: Apache-2.0
//
// Device memory of one card that another card reaches: exported as a dma-buf, and imported there.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "accel/device.hpp"

namespace accel::tools {

/// Device memory of a card, exported as a dma-buf. Must not outlive the device.
class ExportedMemory {
  public:
    ExportedMemory(const Device& device, std::uint64_t bytes);
    ExportedMemory(const ExportedMemory&) = delete;
    ExportedMemory& operator=(const ExportedMemory&) = delete;
    ExportedMemory(ExportedMemory&&) = delete;
    ExportedMemory& operator=(ExportedMemory&&) = delete;
    ~ExportedMemory();

    [[nodiscard]] Address address() const { return Address{address_}; }
    /// The dma-buf; this object owns it.
    [[nodiscard]] int fd() const { return dmabuf_; }

  private:
    int node_;
    std::uint32_t handle_ = 0;
    std::uint64_t address_ = 0;
    int dmabuf_ = -1;
};

/// A dma-buf, mapped for a card. Throws Error; operation_not_supported means that the card cannot
/// reach that memory. Must not outlive the device.
class ImportedMemory {
  public:
    ImportedMemory(const Device& device, int dmabuf);
    ImportedMemory(const ImportedMemory&) = delete;
    ImportedMemory& operator=(const ImportedMemory&) = delete;
    ImportedMemory(ImportedMemory&&) = delete;
    ImportedMemory& operator=(ImportedMemory&&) = delete;
    ~ImportedMemory();

    [[nodiscard]] Address address() const { return Address{address_}; }

  private:
    int node_;
    std::uint32_t handle_ = 0;
    std::uint64_t address_ = 0;
};

}  // namespace accel::tools
