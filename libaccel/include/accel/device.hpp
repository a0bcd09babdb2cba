// SPDX-License-Identifier: Apache-2.0
//
// A card: opening it, what it is, and the things made from it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "accel/buffer.hpp"
#include "accel/command_list.hpp"
#include "accel/file_descriptor.hpp"
#include "accel/queue.hpp"
#include "accel/semaphore.hpp"
#include "accel/shape.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class DeviceImpl;
struct DeviceAccess;
}  // namespace detail

/// Where a card sits: domain:bus:device.function.
struct PciAddress {
    std::uint32_t domain = 0;
    std::uint32_t bus = 0;
    std::uint32_t device = 0;
    std::uint32_t function = 0;

    [[nodiscard]] ACCEL_API std::string to_string() const;  ///< as lspci -D writes it
    friend bool operator==(const PciAddress&, const PciAddress&) = default;
};

/// What a card and its driver are.
struct DeviceInfo {
    std::string path;  ///< of the node
    PciAddress pci;
    std::uint64_t serial = 0;
    std::uint32_t hardware_version = 0;  ///< major << 16 | minor
    std::uint32_t firmware = 0;          ///< major << 24 | minor << 16 | patch
    std::uint64_t features = 0;
    std::uint64_t capabilities = 0;  ///< of the driver
    std::uint64_t memory_size = 0;   ///< bytes of device memory
    std::uint64_t memory_free = 0;
    std::uint32_t queues = 0;
    std::uint32_t contexts = 0;
    std::uint32_t ring_entries = 0;   ///< longest ring
    std::uint32_t list_commands = 0;  ///< longest command list
    std::uint32_t address_bits = 0;
    std::uint32_t compute_engines = 0;
    std::uint32_t dma_engines = 0;
    std::uint32_t clock_hz = 0;  ///< device ticks a second
    std::uint32_t vectors = 0;
    std::optional<int> numa_node;
    std::uint64_t generation = 0;               ///< counts the resets of the card
    std::uint64_t locked = 0;                   ///< bytes of memory this process has locked
    std::optional<std::uint64_t> locked_limit;  ///< RLIMIT_MEMLOCK, if limited
};

/// A card of this machine, and if it cannot be opened, why.
struct DeviceEntry {
    std::string path;
    std::optional<DeviceInfo> info;
    std::string problem;  ///< empty if info is there
};

/// An open card: an address space of its own, which no other process reaches. Move-only; what is
/// made from it keeps it open.
///
/// Thread-safety: all const members from any thread.
class ACCEL_API Device {
  public:
    /// The card behind /dev/accelN, where N is `index`.
    [[nodiscard]] static Device open(unsigned index = 0);

    /// By path ("/dev/accel0"), PCI address ("0000:01:00.0" or "01:00.0"), or serial number
    /// (decimal or 0x...).
    [[nodiscard]] static Device open(std::string_view name);

    /// All cards of this machine.
    [[nodiscard]] static std::vector<DeviceEntry> list();

    Device(Device&&) noexcept;
    Device& operator=(Device&&) noexcept;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    ~Device();

    /// Another handle on the same open card and address space.
    [[nodiscard]] Device alias() const;

    /// Asks the driver, so that what changes (memory_free, generation, locked) is fresh.
    [[nodiscard]] DeviceInfo info() const;

    /// For poll() and the like, see Queue::notify(). Owned by the device; do not close it.
    [[nodiscard]] int fd() const;

    /// Zeroed memory that the card can reach.
    template <typename T>
    [[nodiscard]] Buffer<T> allocate(const Shape& shape, const BufferOptions& options = {}) const {
        return {allocate_bytes(shape, sizeof(T), options), shape};
    }

    /// Device memory without a CPU mapping; the engines reach it fastest.
    template <typename T>
    [[nodiscard]] Buffer<T> allocate_device(const Shape& shape,
                                            Access access = Access::read_write) const {
        return allocate<T>(shape, {.placement = Placement::device, .access = access});
    }

    /// Lets the card use memory of the caller in place, without a copy. It stays the caller's: keep
    /// it until the buffer and the jobs that use it are gone. Counts against RLIMIT_MEMLOCK. Memory
    /// that is const is only read.
    template <typename T>
    [[nodiscard]] Buffer<T> register_memory(std::span<T> memory) const {
        return register_memory(memory, std::is_const_v<T> ? Access::read : Access::read_write);
    }
    template <typename T>
    [[nodiscard]] Buffer<T> register_memory(std::span<T> memory, Access access) const {
        return {register_bytes(memory.data(), memory.size_bytes(), std::is_const_v<T>, access),
                Shape{memory.size()}};
    }

    /// A dma-buf of a buffer that allocate() or allocate_device() made, all of it: for other
    /// processes, cards and drivers. It keeps the memory. Whoever has it can write the memory.
    template <typename T>
    [[nodiscard]] FileDescriptor export_memory(const Buffer<T>& buffer) const {
        return export_bytes(buffer.memory_);
    }

    /// The memory of a dma-buf, without a CPU mapping, as long as its elements go into it. `fd`
    /// stays the caller's and may be closed afterwards. Jobs fail with Error when the exporter
    /// takes the memory away.
    template <typename T>
    [[nodiscard]] Buffer<T> import_memory(int fd, Access access = Access::read) const {
        detail::Allocation memory = import_bytes(fd, access);
        const Shape shape{memory.bytes / sizeof(T)};
        return {std::move(memory), shape};
    }

    [[nodiscard]] Queue create_queue(const QueueOptions& options = {}) const;

    /// An empty list to record. In host or device memory; the card fetches the latter faster.
    [[nodiscard]] CommandList create_list(Placement placement = Placement::host) const;

    [[nodiscard]] Semaphore create_semaphore(std::uint64_t value = 0) const;

  private:
    friend struct detail::DeviceAccess;
    explicit Device(std::shared_ptr<detail::DeviceImpl> impl) noexcept;

    [[nodiscard]] detail::Allocation allocate_bytes(const Shape& shape, std::size_t element,
                                                    const BufferOptions& options) const;
    [[nodiscard]] detail::Allocation register_bytes(const void* memory, std::uint64_t bytes,
                                                    bool is_const, Access access) const;
    [[nodiscard]] FileDescriptor export_bytes(const detail::Allocation& memory) const;
    [[nodiscard]] detail::Allocation import_bytes(int fd, Access access) const;

    std::shared_ptr<detail::DeviceImpl> impl_;
};

}  // namespace accel
