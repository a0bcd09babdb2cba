// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Memory ordering towards the host, and access to device memory, which host and engines share.
//
// Device memory has no owner: the host's CPUs and the engines may access the same byte at the same
// time, and the host is responsible for the result. That is a property of the card, not a race in
// its program. So payload is copied by functions that ThreadSanitizer does not instrument, and
// everything else in the core is checked.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "accel_hw.h"

#if defined(__SANITIZE_THREAD__)
#define ACCEL_CARD_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ACCEL_CARD_TSAN 1
#endif
#endif

namespace accel::card {

static_assert(std::endian::native == std::endian::little,
              "structures in memory are little-endian and are used in place");

#if defined(ACCEL_CARD_TSAN) && !defined(__clang__)
// The sanitizer does not model fences. The words through which host and card communicate are atomic
// as well, and the sanitizer does model atomics.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
// Between a write of the card and a later read that must not overtake it.
inline void full_fence() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}
// Before the write of a word that announces earlier writes to the host.
inline void release_fence() {
    std::atomic_thread_fence(std::memory_order_release);
}
// After the read of a word by which the host announces its earlier writes.
inline void acquire_fence() {
    std::atomic_thread_fence(std::memory_order_acquire);
}
#if defined(ACCEL_CARD_TSAN) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#if defined(ACCEL_CARD_TSAN)
[[gnu::no_sanitize("thread"), gnu::noinline]] inline void move_payload(void* to, const void* from,
                                                                       std::size_t bytes) {
    // Without volatile the compiler turns the loop into a memmove, which the sanitizer intercepts.
    typedef std::uint64_t Word __attribute__((may_alias, aligned(1)));
    auto* out = static_cast<volatile std::uint8_t*>(to);
    const auto* in = static_cast<const volatile std::uint8_t*>(from);
    if (out <= in) {
        for (; bytes >= sizeof(Word); bytes -= sizeof(Word), out += sizeof(Word)) {
            *reinterpret_cast<volatile Word*>(out) = *reinterpret_cast<const volatile Word*>(in);
            in += sizeof(Word);
        }
        for (; bytes > 0; --bytes) {
            *out++ = *in++;
        }
    } else {
        while (bytes-- > 0) {
            out[bytes] = in[bytes];
        }
    }
}
#else
inline void move_payload(void* to, const void* from, std::size_t bytes) {
    std::memmove(to, from, bytes);
}
#endif

// 64-bit words in device memory through which host and card communicate: aligned, never torn.
inline std::uint64_t load_word(const std::uint8_t* word) {
    return __atomic_load_n(reinterpret_cast<const std::uint64_t*>(word), __ATOMIC_ACQUIRE);
}
inline void store_word(std::uint8_t* word, std::uint64_t value) {
    __atomic_store_n(reinterpret_cast<std::uint64_t*>(word), value, __ATOMIC_RELEASE);
}

}  // namespace accel::card
