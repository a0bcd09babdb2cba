// SPDX-License-Identifier: Apache-2.0
//
// The interface between the library and the kernel: all system calls of the hot path and the
// set-up, and the doorbell write. libaccel_emulated implements it over the core of the card, within
// the process. That library is loaded at run time, so this header must not need a symbol of
// libaccel.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace accel::detail {

/// Calls that can fail return -errno and never throw.
///
/// Thread-safety: any thread.
class Kernel {
  public:
    Kernel() = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;
    Kernel(Kernel&&) = delete;
    Kernel& operator=(Kernel&&) = delete;
    virtual ~Kernel() = default;

    /// Whether the cards are emulated within this process.
    [[nodiscard]] virtual bool emulated() const noexcept { return false; }

    /// Paths of all device nodes of the driver, in the order of their numbers.
    [[nodiscard]] virtual std::vector<std::string> nodes() = 0;

    /// An attribute of a card in sysfs, such as "quota/contexts"; nothing if it cannot be read.
    [[nodiscard]] virtual std::optional<std::string> attribute(const std::string& path,
                                                               const std::string& name) = 0;

    [[nodiscard]] virtual int open(const std::string& path) noexcept = 0;
    virtual void close(int fd) noexcept = 0;
    [[nodiscard]] virtual int ioctl(int fd, unsigned long request, void* argument) noexcept = 0;
    /// Maps shared memory for reading and writing. Children do not inherit the mapping.
    [[nodiscard]] virtual int mmap(int fd, std::uint64_t offset, std::size_t bytes,
                                   void** memory) noexcept = 0;
    virtual void munmap(void* memory, std::size_t bytes) noexcept = 0;

    /// In a child, during fork(): closes the inherited file descriptor.
    virtual void close_in_child(int fd) noexcept = 0;
    /// In a child, during fork(): maps private zeroed memory in the place of a mapping.
    virtual void replace_in_child(void* memory, std::size_t bytes) noexcept = 0;

    /// As poll(2): returns the number of ready descriptors, or zero after `timeout_ms`.
    [[nodiscard]] virtual int poll(std::span<pollfd> fds, int timeout_ms) noexcept = 0;

    /// Writes a doorbell. The write of a real card is uncached and crosses the bus, so the cost of
    /// the virtual call does not matter.
    virtual void ring_doorbell(void* doorbell, std::uint32_t value) noexcept = 0;
};

/// The kernel of this process.
[[nodiscard]] std::shared_ptr<Kernel> linux_kernel();

}  // namespace accel::detail
