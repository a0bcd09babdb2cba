// SPDX-License-Identifier: GPL-2.0
//
// A fiber: a function with a stack of its own, which runs when it is resumed and stops in the
// middle when it yields. It is how the card's engines wait for virtual time without a thread: the
// emulator runs them one at a time, under its lock, in the order of time.
//
// Not thread-safe: resumed by one thread at a time, which runs it. It must have ended before it is
// destroyed. No exception may leave the body. A fiber that yields holds no mutex.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace accel::card {

class Fiber {
  public:
    explicit Fiber(std::function<void()> body);
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    Fiber(Fiber&&) = delete;
    Fiber& operator=(Fiber&&) = delete;

    // From outside: runs the body until it yields or ends.
    void resume();
    // From inside: goes back to who resumed it.
    void yield();

    [[nodiscard]] bool ended() const { return ended_; }

  private:
    static constexpr std::size_t stack_bytes = std::size_t{256} * 1024;

    // A context and what the sanitizers want to know of it.
    struct Side {
        ucontext_t context{};
        void* fake_stack = nullptr;
        const void* bottom = nullptr;
        std::size_t bytes = 0;
        void* tsan = nullptr;
    };

    static void enter(unsigned low, unsigned high);
    static void leave(Side& from, const Side& to, bool for_good);
    static void arrive(Side& here, Side& from);

    std::function<void()> body_;
    std::byte* mapping_;
    Side inside_;
    Side outside_;
    bool ended_ = false;
};

}  // namespace accel::card
