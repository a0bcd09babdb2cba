// SPDX-License-Identifier: Apache-2.0
//
// fork(): the handles of a process do not work in its children. An object that a child must not use
// remembers how many forks precede it; an object with something to do in the child has a hook.
//
// A child gets a copy of every object of the library, but its queues, buffers and address space on
// the card still belong to the parent. So in a child no call of an inherited object reaches the
// driver or the card, its destructor frees nothing but memory of the process, and it takes no lock:
// the thread that held the lock may not exist in the child. Mappings are not inherited at all.
#pragma once

#include <cstdint>
#include <new>
#include <utility>

#include "accel/buffer.hpp"

namespace accel::detail {

/// Remembers the process that made it. Thread-safety: const members from any thread.
class Origin {
  public:
    /// Whether this process is a child of the one that made the object.
    [[nodiscard]] bool in_child() const noexcept { return forks_ != fork_count; }

  private:
    std::uint32_t forks_ = fork_count;
};

/// Keeps an object forever: in a child, one that owns threads, or locks that they may hold.
template <typename T>
void leak(T object) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): never destroyed
    static_cast<void>(new (std::nothrow) T(std::move(object)));
}

/// Calls `action(object)` in each child, before fork() returns there. The action may make system
/// calls and store to memory. As the last member of `object` it is only registered while the object
/// is whole.
class ForkHook {
  public:
    using Action = void (*)(void* object) noexcept;

    ForkHook(Action action, void* object);
    ForkHook(const ForkHook&) = delete;
    ForkHook& operator=(const ForkHook&) = delete;
    ForkHook(ForkHook&&) = delete;
    ForkHook& operator=(ForkHook&&) = delete;
    ~ForkHook();

  private:
    friend struct ForkRegistry;
    Action action_;
    void* object_;
    ForkHook* next_ = nullptr;
    ForkHook* previous_ = nullptr;
};

}  // namespace accel::detail
