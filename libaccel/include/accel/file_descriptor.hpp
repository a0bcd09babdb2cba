// SPDX-License-Identifier: Apache-2.0
//
// A file descriptor with an owner: the dma-buf that Device::export_memory() returns.
#pragma once

#include <utility>

#include "accel/visibility.hpp"

namespace accel {

/// Owns a file descriptor and closes it in the destructor. Move-only.
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
    /// Passes ownership to the caller, who closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  private:
    int fd_ = -1;
};

}  // namespace accel
