// SPDX-License-Identifier: Apache-2.0
//
// How many system calls this thread makes, counted by the kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fashion {

/// A counter of the kernel's on the tracepoint raw_syscalls:sys_enter. Where the kernel does not
/// let us have one, there is no number, and problem() says why. Move-only.
class SyscallCounter {
  public:
    SyscallCounter();
    SyscallCounter(const SyscallCounter&) = delete;
    SyscallCounter& operator=(const SyscallCounter&) = delete;
    SyscallCounter(SyscallCounter&&) = delete;
    SyscallCounter& operator=(SyscallCounter&&) = delete;
    ~SyscallCounter();

    void start();

    /// Calls since start(), without the one that stops the counter.
    [[nodiscard]] std::optional<std::uint64_t> stop();

    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  private:
    [[nodiscard]] std::uint64_t raw_stop();

    int fd_ = -1;
    std::uint64_t own_ = 0;  // what an empty window counts
    std::string problem_;
};

}  // namespace fashion
