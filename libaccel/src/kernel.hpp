// SPDX-License-Identifier: Apache-2.0
//
// The seam between the library and the kernel: every system call, and the doorbell, go through
// here. Tests put another kernel behind it; nothing else in the library knows the difference.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace accel::detail {

/// Calls that can fail return -errno and never throw. Implementations are safe from any thread.
class Kernel {
  public:
    Kernel() = default;
    Kernel(const Kernel&) = delete;
    Kernel& operator=(const Kernel&) = delete;
    Kernel(Kernel&&) = delete;
    Kernel& operator=(Kernel&&) = delete;
    virtual ~Kernel();

    /// Paths of all nodes of the driver, in the order of their numbers.
    [[nodiscard]] virtual std::vector<std::string> nodes() = 0;

    [[nodiscard]] virtual int open(const std::string& path) noexcept = 0;
    virtual void close(int fd) noexcept = 0;
    [[nodiscard]] virtual int ioctl(int fd, unsigned long request, void* argument) noexcept = 0;
    /// Shared, read-write.
    [[nodiscard]] virtual int mmap(int fd, std::uint64_t offset, std::size_t bytes,
                                   void** memory) noexcept = 0;
    virtual void munmap(void* memory, std::size_t bytes) noexcept = 0;
    /// As poll(2): how many are ready, zero after `timeout_ms`.
    [[nodiscard]] virtual int poll(std::span<pollfd> fds, int timeout_ms) noexcept = 0;

    /// Stores to a doorbell: an uncached write that crosses the bus, next to which the cost of a
    /// virtual call is nothing.
    virtual void ring(void* doorbell, std::uint32_t value) noexcept = 0;
};

/// The kernel this process runs on.
[[nodiscard]] std::shared_ptr<Kernel> linux_kernel();

}  // namespace accel::detail
