// SPDX-License-Identifier: Apache-2.0
//
// Memory ordering against a device that shares host memory with us, and the words it shares.
#pragma once

#include <atomic>
#include <cstdint>

#if defined(__SANITIZE_THREAD__)
#define ACCEL_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ACCEL_THREAD_SANITIZER
#endif
#endif

namespace accel::detail {

/// Orders every earlier access of this thread before every later one, stores before loads too.
/// ThreadSanitizer does not model fences; for it a read-modify-write says the same.
inline void full_fence() noexcept {
#ifdef ACCEL_THREAD_SANITIZER
    static std::atomic<int> fence;
    fence.fetch_add(0, std::memory_order_seq_cst);
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// A word that the card writes: what it wrote before is visible to what we read after.
template <typename T>
[[nodiscard]] T load_acquire(T& word) noexcept {
    return std::atomic_ref<T>(word).load(std::memory_order_acquire);
}

/// A word that the card reads: what we wrote before is visible to it once it sees the value.
template <typename T>
void store_release(T& word, T value) noexcept {
    std::atomic_ref<T>(word).store(value, std::memory_order_release);
}

/// Tells the processor that this is a polling loop.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace accel::detail
