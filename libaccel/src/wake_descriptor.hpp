// SPDX-License-Identifier: Apache-2.0
//
// An eventfd by which one thread wakes another that sleeps in poll().
#pragma once

#include "accel/file_descriptor.hpp"

namespace accel::detail {

/// Thread-safety: any thread.
class WakeDescriptor {
  public:
    /// Throws Error if the process has no file descriptor left.
    WakeDescriptor();

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// Makes the descriptor readable, until clear().
    void signal() const noexcept;
    void clear() const noexcept;

  private:
    FileDescriptor fd_;
};

}  // namespace accel::detail
