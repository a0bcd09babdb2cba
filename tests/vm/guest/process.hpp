// SPDX-License-Identifier: Apache-2.0
//
// Child processes of a test, and their synchronization.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <initializer_list>
#include <memory>
#include <new>

#include "uapi.hpp"

namespace uapi {

/// A forked child that runs a function. An exception ends it with status 1 and its text on stderr.
/// Fork before starting threads. The destructor kills a child that still runs.
class Process {
  public:
    explicit Process(const std::function<void()>& body);
    Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    Process& operator=(Process&&) = delete;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    void signal(int number) const;
    /// Waits for the end: the exit status, or 128 + the signal. Kills the child after `limit`, and
    /// throws.
    [[nodiscard]] int wait(std::chrono::nanoseconds limit = time_limit);
    /// Kills the child, and waits for its end.
    void kill();

  private:
    pid_t pid_ = -1;
};

/// Throws with this text unless the condition holds: the ASSERT_TRUE of a child.
void check(bool condition, const char* text);

/// Keeps this thread and its children on one processor during its lifetime, for tests that reset a
/// card often while it is in use. QEMU before 8.1 may crash when one processor changes the memory
/// map while another accesses a device (tcg_commit, issue 1826 of QEMU). Threads still preempt each
/// other at any instruction.
class OneProcessor {
  public:
    OneProcessor();
    OneProcessor(const OneProcessor&) = delete;
    OneProcessor& operator=(const OneProcessor&) = delete;
    OneProcessor(OneProcessor&&) = delete;
    OneProcessor& operator=(OneProcessor&&) = delete;
    ~OneProcessor();

  private:
    cpu_set_t before_{};
};

/// A counter that processes wait for. Make it before the fork.
class Counter {
  public:
    void add(std::uint64_t value = 1) const;
    /// Throws if the count does not reach the value.
    void await(std::uint64_t value) const;
    [[nodiscard]] std::uint64_t value() const;

  private:
    [[nodiscard]] std::atomic<std::uint64_t>& count() const {
        return *reinterpret_cast<std::atomic<std::uint64_t>*>(memory_.data());
    }
    Mapping memory_ = Mapping::anonymous(page, MAP_SHARED);
};

/// A pair of connected sockets that pass a file descriptor. Make it before the fork.
class Channel {
  public:
    Channel();
    void send(int fd) const;
    [[nodiscard]] Descriptor receive() const;

  private:
    Descriptor sender_;
    Descriptor receiver_;
};

inline constexpr uid_t plain_user = 1000;
/// Drops root permanently, in a child. The user is in these groups only.
void become_user(std::initializer_list<gid_t> groups = {}, uid_t user = plain_user);
inline void become_user(gid_t group) {
    become_user({group});
}

}  // namespace uapi
