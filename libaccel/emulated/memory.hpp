// SPDX-License-Identifier: Apache-2.0
//
// Memory that card and process share. The card uses the pointers of the process, so sanitizers see
// the accesses of both. Children do not inherit the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "owned_fd.hpp"

namespace accel::emulated {

inline constexpr std::size_t page_bytes = 4096;

[[nodiscard]] constexpr std::uint64_t round_to_pages(std::uint64_t bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

class DeviceMemory;

/// Whole pages, zeroed at first. The functions that make one throw std::system_error.
///
/// Thread-safety: const members from any thread.
class Memory {
  public:
    /// Host memory that cannot be exported.
    [[nodiscard]] static std::shared_ptr<Memory> internal(std::uint64_t bytes);
    /// Host memory with a memfd, unless the process is short of file descriptors.
    [[nodiscard]] static std::shared_ptr<Memory> host(std::uint64_t bytes);
    /// The memory behind a memfd: that of a buffer of this process, or host memory.
    [[nodiscard]] static std::shared_ptr<Memory> imported(int fd, bool writable);

    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    Memory(Memory&&) = delete;
    Memory& operator=(Memory&&) = delete;
    ~Memory();

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint64_t address() const noexcept {
        return reinterpret_cast<std::uintptr_t>(data_);
    }
    /// The card's memory that this is a part of; null for host memory.
    [[nodiscard]] const DeviceMemory* device() const noexcept { return device_.get(); }
    /// A new file descriptor of the memory, or -errno.
    [[nodiscard]] int export_fd() const noexcept;

  private:
    friend class DeviceMemory;
    Memory() = default;
    [[nodiscard]] static std::shared_ptr<Memory> make();
    void publish(const std::shared_ptr<Memory>& self);

    std::byte* data_ = nullptr;
    std::uint64_t bytes_ = 0;
    OwnedFd fd_;
    std::shared_ptr<DeviceMemory> device_;
};

/// The memory of a card: a range of addresses, of which buffers take pieces.
///
/// Thread-safety: any thread.
class DeviceMemory : public std::enable_shared_from_this<DeviceMemory> {
  public:
    /// Throws std::system_error if the process cannot have the addresses.
    explicit DeviceMemory(std::uint64_t bytes);
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;
    DeviceMemory(DeviceMemory&&) = delete;
    DeviceMemory& operator=(DeviceMemory&&) = delete;
    ~DeviceMemory();

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint64_t free_bytes();

    /// Zeroed memory; null if no hole is large enough.
    [[nodiscard]] std::shared_ptr<Memory> allocate(std::uint64_t bytes);

  private:
    friend class Memory;
    [[nodiscard]] std::optional<std::uint64_t> reserve(std::uint64_t bytes);
    void release(std::byte* data, std::uint64_t bytes) noexcept;

    std::byte* data_ = nullptr;
    std::uint64_t bytes_;
    std::mutex mutex_;
    std::map<std::uint64_t, std::uint64_t> used_;  // bytes by offset
};

}  // namespace accel::emulated
