// SPDX-License-Identifier: Apache-2.0
//
// Counts the system calls of this thread, with a counter of the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fashion {

/// A perf counter on the tracepoint raw_syscalls:sys_enter. If the kernel does not permit it, there
/// is no count, and problem() says why.
class SyscallCounter {
  public:
    SyscallCounter();
    SyscallCounter(const SyscallCounter&) = delete;
    SyscallCounter& operator=(const SyscallCounter&) = delete;
    SyscallCounter(SyscallCounter&&) = delete;
    SyscallCounter& operator=(SyscallCounter&&) = delete;
    ~SyscallCounter();

    void start();

    /// The number of calls since start(), without the call that stops the counter.
    [[nodiscard]] std::optional<std::uint64_t> stop();

    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  private:
    [[nodiscard]] std::uint64_t raw_stop();

    int fd_ = -1;
    std::uint64_t own_ = 0;  // the calls of start() and stop() themselves
    std::string problem_;
};

}  // namespace fashion
