// SPDX-License-Identifier: Apache-2.0
//
// Other processes of a test, and how they meet.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <initializer_list>
#include <memory>
#include <new>

#include "bench.hpp"

namespace bench {

/// A forked child. It runs the function and ends; an exception ends it with 1 and its text on
/// stderr. Fork before threads are made. A child that still runs when this is destroyed is killed.
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
    /// Waits for the end: the exit status, or 128 + the signal. Kills a child that does not end.
    [[nodiscard]] int wait();
    /// SIGKILL, and gone when it returns.
    void kill();

  private:
    pid_t pid_ = -1;
};

/// Throws with this text unless the condition holds; what a child has instead of ASSERT_TRUE.
void check(bool condition, const char* text);

/// Keeps what this thread starts, and itself, on one processor until it is destroyed. For tests
/// that reset a card again and again while others use one: QEMU before 8.1 may crash when one
/// processor changes the memory map while another accesses a device (tcg_commit, issue 1826 of
/// QEMU). Threads still interrupt each other at any place.
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

/// A count that processes wait for. Made before the fork.
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

/// A pair of connected sockets that pass a file descriptor. Made before the fork.
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
/// Gives up root for good, in a child; the user is in these groups and no others.
void become_user(std::initializer_list<gid_t> groups = {}, uid_t user = plain_user);
inline void become_user(gid_t group) {
    become_user({group});
}

}  // namespace bench
