// SPDX-License-Identifier: Apache-2.0
//
// A card without a driver. It is unbound through sysfs and brought up by the data sheet with one
// queue in a bypass context; its BARs are mapped, and /proc/self/pagemap has the physical addresses
// of its memory. This needs root, and works only without an IOMMU.
#pragma once

#include <accel_hw.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace accel::bench {

/// A mapped file.
class FileMapping {
  public:
    FileMapping(const std::string& path, std::size_t bytes);
    FileMapping(const FileMapping&) = delete;
    FileMapping& operator=(const FileMapping&) = delete;
    FileMapping(FileMapping&&) = delete;
    FileMapping& operator=(FileMapping&&) = delete;
    ~FileMapping();
    [[nodiscard]] std::byte* at(std::size_t offset) const { return start_ + offset; }

  private:
    std::byte* start_;
    std::size_t bytes_;
};

/// A huge page of 2 MiB with its bus address.
class HugePage {
  public:
    static constexpr std::size_t size = std::size_t{2} << 20;
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
    /// The caller's data begin here in memory().
    static constexpr std::size_t payload_offset = std::size_t{1} << 20;
    /// The mapped part of device memory.
    static constexpr std::size_t device_memory_bytes = std::size_t{1} << 20;

    /// Brings up the last card of the machine, with an empty queue.
    RawCard();

    [[nodiscard]] accel_command* ring() const {
        return reinterpret_cast<accel_command*>(memory_.at(ring_offset));
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
    static constexpr std::size_t admin_ring_offset = 0;
    static constexpr std::size_t admin_results_offset = ACCEL_PAGE_SIZE;
    static constexpr std::size_t events_offset = 2 * ACCEL_PAGE_SIZE;
    static constexpr std::size_t status_offset = 3 * ACCEL_PAGE_SIZE;
    static constexpr std::size_t ring_offset = 4 * ACCEL_PAGE_SIZE;

    void wait_for_status(std::uint32_t bit) const;
    void admin(const accel_admin_command& command);

    std::string folder_;
    HugePage memory_;
    FileMapping registers_;
    FileMapping doorbells_;
    FileMapping device_;
    std::uint64_t admin_tail_ = 0;
};

}  // namespace accel::bench
