// SPDX-License-Identifier: Apache-2.0
//
// Memory between processes, cards and other drivers: Device::export_memory() and import_memory().
#pragma once

#include <utility>

#include "accel/visibility.hpp"

namespace accel {

/// A file descriptor with an owner: closed when the object goes. Move-only.
class ACCEL_API FileDescriptor {
  public:
    FileDescriptor() = default;  ///< none
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor();

    [[nodiscard]] int get() const noexcept { return fd_; }  ///< -1: none
    /// The caller closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_ = -1;
};

}  // namespace accel
