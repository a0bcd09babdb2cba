// SPDX-License-Identifier: GPL-2.0
//
// Fibers, by the contexts of POSIX. The sanitizers keep books of stacks and must be told.
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
    // Below the stack lies a page that faults: an overflow is a crash, not a corruption.
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

// Before and after a switch of stacks.
void Fiber::leave([[maybe_unused]] Side& from, [[maybe_unused]] const Side& to,
                  [[maybe_unused]] bool for_good) {
#ifdef ACCEL_CARD_ASAN
    __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_stack, to.bottom, to.bytes);
#endif
#ifdef ACCEL_CARD_FIBER_TSAN
    __tsan_switch_to_fiber(to.tsan, 0);
#endif
}

void Fiber::arrive([[maybe_unused]] Side& here, [[maybe_unused]] Side& from) {
#ifdef ACCEL_CARD_ASAN
    __sanitizer_finish_switch_fiber(here.fake_stack, &from.bottom, &from.bytes);
#endif
}

void Fiber::enter(unsigned low, unsigned high) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as makecontext() has it
    auto* const self = reinterpret_cast<Fiber*>(std::uintptr_t{low} | std::uint64_t{high} << 32);
    arrive(self->inside_, self->outside_);
    self->body_();
    self->ended_ = true;
    leave(self->inside_, self->outside_, true);
    (void)setcontext(&self->outside_.context);
}

void Fiber::resume() {
#ifdef ACCEL_CARD_FIBER_TSAN
    outside_.tsan = __tsan_get_current_fiber();
#endif
    Side unused;  // the fiber's own bounds do not change
    leave(outside_, inside_, false);
    (void)swapcontext(&outside_.context, &inside_.context);
    arrive(outside_, unused);
}

void Fiber::yield() {
    leave(inside_, outside_, false);
    (void)swapcontext(&inside_.context, &outside_.context);
    arrive(inside_, outside_);
}

}  // namespace accel::card
