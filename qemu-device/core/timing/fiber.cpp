// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Fibers on top of POSIX contexts. The sanitizers track stacks and are told of every switch.
#include "fiber.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ACCEL_CARD_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define ACCEL_CARD_FIBER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ACCEL_CARD_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define ACCEL_CARD_FIBER_TSAN 1
#endif

#ifdef ACCEL_CARD_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef ACCEL_CARD_FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace accel::card {

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
    // A guard page is below the stack: an overflow is a crash, not a corruption.
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* const mapping = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED) {
        throw std::bad_alloc();
    }
    mapping_ = static_cast<std::byte*>(mapping);
    (void)mprotect(mapping_, page, PROT_NONE);
    inside_.bottom = mapping_ + page;
    inside_.bytes = stack_bytes - page;
#ifdef ACCEL_CARD_FIBER_TSAN
    inside_.tsan = __tsan_create_fiber(0);
#endif
    (void)getcontext(&inside_.context);
    inside_.context.uc_stack.ss_sp = mapping_ + page;
    inside_.context.uc_stack.ss_size = inside_.bytes;
    inside_.context.uc_link = nullptr;
    // makecontext() passes ints.
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&inside_.context, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
                static_cast<unsigned>(self), static_cast<unsigned>(std::uint64_t{self} >> 32));
}

Fiber::~Fiber() {
#ifdef ACCEL_CARD_FIBER_TSAN
    __tsan_destroy_fiber(inside_.tsan);
#endif
    (void)munmap(mapping_, stack_bytes);
}

void Fiber::before_switch([[maybe_unused]] Stack& from, [[maybe_unused]] const Stack& to,
                          [[maybe_unused]] bool for_good) {
#ifdef ACCEL_CARD_ASAN
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_stack, to.bottom, to.bytes);
#endif
#ifdef ACCEL_CARD_FIBER_TSAN
    __tsan_switch_to_fiber(to.tsan, 0);
#endif
}

void Fiber::after_switch([[maybe_unused]] Stack& here, [[maybe_unused]] Stack& from) {
#ifdef ACCEL_CARD_ASAN
    __sanitizer_finish_switch_fiber(here.fake_stack, &from.bottom, &from.bytes);
#endif
}

void Fiber::enter(unsigned low, unsigned high) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): makecontext() passes ints
    auto* const self = reinterpret_cast<Fiber*>(std::uintptr_t{low} | std::uint64_t{high} << 32);
    after_switch(self->inside_, self->outside_);
    self->body_();
    self->ended_ = true;
    before_switch(self->inside_, self->outside_, true);
    (void)setcontext(&self->outside_.context);
}

void Fiber::resume() {
#ifdef ACCEL_CARD_FIBER_TSAN
    outside_.tsan = __tsan_get_current_fiber();
#endif
    Stack unused;  // the bounds of the fiber's own stack do not change
    before_switch(outside_, inside_, false);
    (void)swapcontext(&outside_.context, &inside_.context);
    after_switch(outside_, unused);
}

void Fiber::yield() {
    before_switch(inside_, outside_, false);
    (void)swapcontext(&inside_.context, &outside_.context);
    after_switch(inside_, outside_);
}

}  // namespace accel::card
