// SPDX-License-Identifier: Apache-2.0
//
// Memory of one card that another reaches: a dma-buf of its device memory, imported there.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "accel/device.hpp"

namespace accel::tools {

/// Device memory of a card, made for sharing. Must not outlive the device.
class SharedMemory {
  public:
    SharedMemory(const Device& device, std::uint64_t bytes);
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    SharedMemory(SharedMemory&&) = delete;
    SharedMemory& operator=(SharedMemory&&) = delete;
    ~SharedMemory();

    [[nodiscard]] Address address() const { return Address{address_}; }
    /// The dma-buf; owned by this.
    [[nodiscard]] int fd() const { return dmabuf_; }

  private:
    int node_;
    std::uint32_t handle_ = 0;
    std::uint64_t address_ = 0;
    int dmabuf_ = -1;
};

/// A dma-buf as a card sees it. Throws Error; operation_not_supported: there is no way between the
/// two. Must not outlive the device.
class PeerMemory {
  public:
    PeerMemory(const Device& device, int dmabuf);
    PeerMemory(const PeerMemory&) = delete;
    PeerMemory& operator=(const PeerMemory&) = delete;
    PeerMemory(PeerMemory&&) = delete;
    PeerMemory& operator=(PeerMemory&&) = delete;
    ~PeerMemory();

    [[nodiscard]] Address address() const { return Address{address_}; }

  private:
    int node_;
    std::uint32_t handle_ = 0;
    std::uint64_t address_ = 0;
};

}  // namespace accel::tools
