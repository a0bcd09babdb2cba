// SPDX-License-Identifier: Apache-2.0
//
// A card without a driver: taken from it through sysfs, its BARs mapped, its memory found in
// /proc/self/pagemap, and brought up by the data sheet with one queue in a bypass context. Needs
// root and no IOMMU.
#pragma once

#include <accel_hw.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace accel::bench {

/// Files of the process's address space.
class Window {
  public:
    Window(const std::string& path, std::size_t bytes);
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;
    Window(Window&&) = delete;
    Window& operator=(Window&&) = delete;
    ~Window();
    [[nodiscard]] std::byte* at(std::size_t offset) const { return start_ + offset; }

  private:
    std::byte* start_;
    std::size_t bytes_;
};

/// 2 MiB in one piece, of which the bus address is known.
class HugePage {
  public:
    static constexpr std::size_t transfer_size = std::size_t{2} << 20;
    HugePage();
    HugePage(const HugePage&) = delete;
    HugePage& operator=(const HugePage&) = delete;
    HugePage(HugePage&&) = delete;
    HugePage& operator=(HugePage&&) = delete;
    ~HugePage();
    [[nodiscard]] std::byte* at(std::size_t offset) const { return start_ + offset; }
    [[nodiscard]] std::uint64_t bus(std::size_t offset) const { return bus_ + offset; }

  private:
    std::byte* start_;
    std::uint64_t bus_;
};

class RawCard {
  public:
    static constexpr std::uint32_t ring_length = 64;
    static constexpr std::size_t payload = std::size_t{1} << 20;  // where the caller's data begin
    static constexpr std::size_t window_base = std::size_t{1}
                                               << 20;  // of device memory that is mapped

    /// The last card of the machine, with an empty queue.
    RawCard();

    [[nodiscard]] accel_command* ring() const {
        return reinterpret_cast<accel_command*>(memory_.at(ring_size));
    }
    [[nodiscard]] accel_queue_status* status() const {
        return reinterpret_cast<accel_queue_status*>(memory_.at(status_offset));
    }
    [[nodiscard]] volatile std::uint32_t* doorbell() const {
        return reinterpret_cast<volatile std::uint32_t*>(doorbells_.at(0));
    }
    [[nodiscard]] const HugePage& memory() const { return memory_; }
    void write32(std::size_t offset, std::uint32_t value) const {
        *reinterpret_cast<volatile std::uint32_t*>(registers_.at(offset)) = value;
    }
    void write64(std::size_t offset, std::uint64_t value) const {
        *reinterpret_cast<volatile std::uint64_t*>(registers_.at(offset)) = value;
    }
    [[nodiscard]] std::byte* device(std::size_t offset) const { return device_.at(offset); }

  private:
    static constexpr std::size_t admin_ring = 0;
    static constexpr std::size_t admin_results = 4096;
    static constexpr std::size_t events = 2 * std::size_t{4096};
    static constexpr std::size_t status_offset = 3 * std::size_t{4096};
    static constexpr std::size_t ring_size = 4 * std::size_t{4096};

    void wait_for_status(std::uint32_t bit) const;
    void admin(const accel_admin_command& command);

    std::string folder_;
    HugePage memory_;
    Window registers_;
    Window doorbells_;
    Window device_;
    std::uint64_t admin_tail_ = 0;
};

}  // namespace accel::bench
