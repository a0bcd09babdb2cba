// SPDX-License-Identifier: Apache-2.0
//
// A card: opening it, its properties, and the objects created from it.
#pragma once

#include <chrono>
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
#include "accel/error.hpp"
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

/// The PCI address of a card: domain:bus:device.function.
struct PciAddress {
    std::uint32_t domain = 0;
    std::uint32_t bus = 0;
    std::uint32_t device = 0;
    std::uint32_t function = 0;

    [[nodiscard]] ACCEL_API std::string to_string() const;  ///< in the format of lspci -D
    friend bool operator==(const PciAddress&, const PciAddress&) = default;
};

/// The use of a resource by a user, and the quota.
struct Usage {
    std::uint64_t used = 0;
    std::optional<std::uint64_t> limit;  ///< if there is a limit
};

/// Properties and limits of a card and its driver.
struct DeviceInfo {
    std::string path;       ///< of the device node: /dev/accel0; a name of an emulated card
    bool emulated = false;  ///< whether the card is emulated within this process
    PciAddress pci;
    std::uint64_t serial = 0;
    std::uint32_t hardware_version = 0;    ///< major << 16 | minor
    std::uint32_t firmware_version = 0;    ///< major << 24 | minor << 16 | patch
    std::uint64_t features = 0;            ///< of the card: ACCEL_FEATURE_* of accel_hw.h
    std::uint64_t capabilities = 0;        ///< of the driver: ACCEL_CAP_* of accel_uapi.h
    std::uint64_t memory_size = 0;         ///< bytes of device memory
    std::uint64_t memory_free = 0;         ///< bytes of device memory that are not allocated
    std::uint32_t max_queues = 0;          ///< of all processes together
    std::uint32_t max_contexts = 0;        ///< how often the card can be open at once
    std::uint32_t max_ring_entries = 0;    ///< see QueueOptions::entries
    std::uint32_t max_list_commands = 0;   ///< commands of a CommandList
    std::uint32_t max_list_steps = 0;      ///< commands that a call may execute; 0: no loops
    std::uint32_t max_call_arguments = 0;  ///< arguments of a CommandList
    std::uint32_t address_bits = 0;        ///< of an Address
    std::uint32_t compute_engines = 0;
    std::uint32_t dma_engines = 0;
    std::uint32_t clock_hz = 0;  ///< device ticks a second
    std::uint32_t interrupt_vectors = 0;
    std::optional<int> numa_node;
    std::uint64_t generation = 0;               ///< number of resets of the card
    std::uint64_t locked_bytes = 0;             ///< memory that this process has locked
    std::optional<std::uint64_t> locked_limit;  ///< RLIMIT_MEMLOCK in bytes, if there is a limit

    // Of the user who opened the device, in all processes.
    Usage user_contexts;
    Usage user_queues;
    Usage user_device_memory;                  ///< bytes
    Usage user_host_memory;                    ///< bytes: buffers in host memory, registered memory
    Priority max_priority = Priority::urgent;  ///< highest QueueOptions::priority of this user

    /// The longest device time of a command, if there is a limit; see QueueOptions::time_limit.
    std::optional<std::chrono::milliseconds> time_limit;
};

/// The end of an open device: see Device::ended().
struct DeviceEnd {
    Reason reason = Reason::none;
    std::errc error{};                  ///< of every call that uses the device
    std::uint64_t generation = 0;       ///< of the card when the device was opened
    std::uint64_t card_generation = 0;  ///< of the card now: its number of resets
    std::chrono::nanoseconds time{0};   ///< of the end, on CLOCK_BOOTTIME
    std::optional<std::uint32_t> pid;   ///< of the process whose queue caused a recovery, if known
};

/// An entry of Device::list(): a card of this machine, or the reason why it cannot be opened.
struct DeviceEntry {
    std::string path;
    std::optional<DeviceInfo> info;
    std::string reason;  ///< empty if there is `info`
};

/// An open card, with an address space that no other process can reach. Move-only; buffers, queues,
/// lists and semaphores of a device keep the card open.
///
/// After fork() the device and its objects belong to the parent. In the child they may be
/// destroyed; each other use throws Error(operation_not_permitted), and nothing of the parent
/// changes. So call daemon() before open().
///
/// Thread-safety: all const members from any thread.
class ACCEL_API Device {
  public:
    /// The first card of this machine, or the card that the environment variable ACCEL_DEVICE
    /// names. The variable holds a name as open(name) takes it, such as "emulated"; if it is empty,
    /// it counts as not set. While the card is resetting, this waits.
    ///
    /// Throws Error(invalid_argument) for a name that no card can have, and the errors of
    /// open(name).
    [[nodiscard]] static Device open();

    /// The card behind /dev/accelN, where N is `index`; with ACCEL_DEVICE, the card number `index`
    /// of those that the variable names. Throws Error: no_such_device if it names fewer.
    [[nodiscard]] static Device open(unsigned index);

    /// The card with a path ("/dev/accel0"), a PCI address ("0000:01:00.0" or "01:00.0"), a serial
    /// number (decimal or 0x...), or an emulated card of this process ("emulated", or with options
    /// "emulated:cards=2,memory=1G"). Throws Error: no_such_device if no card has that name,
    /// invalid_argument for an option of an emulated card that does not exist, or the reason why
    /// the driver does not open it. A PCI address or a serial number is searched among the cards
    /// that list() lists.
    [[nodiscard]] static Device open(std::string_view name);

    /// All cards of this machine, or those that ACCEL_DEVICE names, including those that cannot be
    /// opened.
    [[nodiscard]] static std::vector<DeviceEntry> list();

    Device(Device&&) noexcept;
    Device& operator=(Device&&) noexcept;
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    ~Device();

    /// Another handle on the same open card and address space.
    [[nodiscard]] Device alias() const;

    /// Queries the driver: memory_free, generation, the use of each quota and the limits are
    /// current.
    [[nodiscard]] DeviceInfo info() const;

    /// How the device ended, for example by a reset of the card; nothing while it works. This also
    /// answers after the end, when all other calls throw. Open the card again then.
    [[nodiscard]] std::optional<DeviceEnd> ended() const;

    /// The file descriptor for poll() and event loops, see Queue::notify(). The device owns it; do
    /// not close it.
    [[nodiscard]] int fd() const;

    /// Allocates zeroed memory that the card can access. Throws Error: not_enough_memory (host),
    /// no_space_on_device (device memory), or EDQUOT.
    template <typename T>
    [[nodiscard]] Buffer<T> allocate(const Shape& shape, const BufferOptions& options = {}) const {
        return {allocate_bytes(shape, sizeof(T), options), shape};
    }

    /// Allocates device memory without a CPU mapping: the card accesses it fastest.
    template <typename T>
    [[nodiscard]] Buffer<T> allocate_device(const Shape& shape,
                                            Access access = Access::read_write) const {
        return allocate<T>(shape, {.placement = Placement::device, .access = access});
    }

    /// Registers memory of the caller: the card uses it in place, without a copy. The driver pins
    /// the pages and counts them against RLIMIT_MEMLOCK. The caller keeps ownership, and must keep
    /// the memory until the buffer and all jobs that use it are gone. The card can only read const
    /// memory.
    template <typename T>
    [[nodiscard]] Buffer<T> register_memory(std::span<T> memory) const {
        return register_memory(memory, std::is_const_v<T> ? Access::read : Access::read_write);
    }
    template <typename T>
    [[nodiscard]] Buffer<T> register_memory(std::span<T> memory, Access access) const {
        return {register_bytes(memory.data(), memory.size_bytes(), std::is_const_v<T>, access),
                Shape{memory.size()}};
    }

    /// Exports all memory of a buffer from allocate() or allocate_device() as a dma-buf, for other
    /// processes, cards and drivers. The file descriptor keeps the memory alive, and every holder
    /// of it can write the memory.
    template <typename T>
    [[nodiscard]] FileDescriptor export_memory(const Buffer<T>& buffer) const {
        return export_bytes(buffer.memory_);
    }

    /// Imports the memory of a dma-buf, without a CPU mapping, as a buffer of as many whole
    /// elements as fit. The caller keeps ownership of `fd` and may close it afterwards. Jobs fail
    /// when the exporter revokes the memory.
    template <typename T>
    [[nodiscard]] Buffer<T> import_memory(int fd, Access access = Access::read) const {
        detail::Allocation memory = import_bytes(fd, access);
        const Shape shape{memory.bytes / sizeof(T)};
        return {std::move(memory), shape};
    }

    /// Creates a queue. Throws Error: invalid_argument for a ring size or a time limit that the
    /// card does not have, no_space_on_device when all queues of the card are in use, EDQUOT when
    /// the user has as many as the quota allows, operation_not_permitted for a priority above
    /// DeviceInfo::max_priority.
    [[nodiscard]] Queue create_queue(const QueueOptions& options = {}) const;

    /// Creates an empty list to record. The card fetches a list in device memory faster.
    [[nodiscard]] CommandList create_command_list(Placement placement = Placement::host) const;

    /// Creates a semaphore with an initial value.
    [[nodiscard]] Semaphore create_semaphore(std::uint64_t value = 0) const;

  private:
    friend struct detail::DeviceAccess;
    explicit Device(std::shared_ptr<detail::DeviceImpl> impl) noexcept;

    [[nodiscard]] detail::Allocation allocate_bytes(const Shape& shape, std::size_t element_size,
                                                    const BufferOptions& options) const;
    [[nodiscard]] detail::Allocation register_bytes(const void* memory, std::uint64_t bytes,
                                                    bool is_const, Access access) const;
    [[nodiscard]] FileDescriptor export_bytes(const detail::Allocation& memory) const;
    [[nodiscard]] detail::Allocation import_bytes(int fd, Access access) const;

    std::shared_ptr<detail::DeviceImpl> impl_;
};

}  // namespace accel
