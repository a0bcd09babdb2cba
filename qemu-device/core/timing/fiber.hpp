// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A fiber: a function with its own stack, which runs when it is resumed and pauses when it yields.
// With fibers the engines of the timing model wait for virtual time without threads. The emulator
// runs them one at a time, under its lock, in the order of virtual time.
//
// A fiber is not thread-safe: one thread at a time resumes it, and runs it. It must have ended
// before it is destroyed. No exception may leave the body. A fiber that yields holds no mutex.
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

    // Called from outside: runs the body until it yields or ends.
    void resume();
    // Called from inside: returns control to the caller of resume().
    void yield();

    [[nodiscard]] bool ended() const { return ended_; }

  private:
    static constexpr std::size_t stack_bytes = std::size_t{256} * 1024;

    // A stack: its saved context, and the data that the sanitizers need about it.
    struct Stack {
        ucontext_t context{};
        void* fake_stack = nullptr;
        const void* bottom = nullptr;
        std::size_t bytes = 0;
        void* tsan = nullptr;
    };

    static void enter(unsigned low, unsigned high);
    static void before_switch(Stack& from, const Stack& to, bool for_good);
    static void after_switch(Stack& here, Stack& from);

    std::function<void()> body_;
    std::byte* mapping_;
    Stack inside_;   // of the body
    Stack outside_;  // of the caller of resume()
    bool ended_ = false;
};

}  // namespace accel::card
