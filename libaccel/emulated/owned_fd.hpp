// SPDX-License-Identifier: Apache-2.0
//
// File descriptors of emulated devices. A child closes its copies during fork(): otherwise they
// would keep memory alive, and would hide the end of a device from its user's poll().
#pragma once

#include <cstddef>
#include <utility>

namespace accel::emulated {

/// Closes the file descriptor when it dies. Thread-safety: as an int.
class OwnedFd {
  public:
    OwnedFd() = default;
    /// Takes a file descriptor; none if it is negative.
    explicit OwnedFd(int fd);
    OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    OwnedFd(const OwnedFd&) = delete;
    OwnedFd& operator=(const OwnedFd&) = delete;
    ~OwnedFd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    void reset() noexcept;

  private:
    int fd_ = -1;
};

/// The number of file descriptors that emulated devices of this process own.
[[nodiscard]] std::size_t owned_fds() noexcept;

/// The number of forks between the start of the program and this process. A fork counts only if a
/// device was opened before it.
[[nodiscard]] unsigned fork_count() noexcept;

}  // namespace accel::emulated
