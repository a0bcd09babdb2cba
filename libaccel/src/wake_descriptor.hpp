// SPDX-License-Identifier: Apache-2.0
//
// An eventfd by which one thread wakes another that sleeps in poll().
#pragma once

#include <mutex>

#include "accel/file_descriptor.hpp"

namespace accel::detail {

/// A thread makes its work visible, then calls signal(). The other calls clear(), then looks for
/// work. So it finds the work, or the descriptor is readable.
///
/// Thread-safety: any thread.
class WakeDescriptor {
  public:
    /// Throws Error if the process has no file descriptor left.
    WakeDescriptor();

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// Makes the descriptor readable, until clear().
    void signal() noexcept;
    void clear() noexcept;

  private:
    FileDescriptor fd_;
    std::mutex mutex_;
    bool signaled_ = false;  // readable; saves most system calls
};

}  // namespace accel::detail
