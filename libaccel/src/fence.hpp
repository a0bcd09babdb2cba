// SPDX-License-Identifier: Apache-2.0
//
// Memory ordering between this process and the card: a fence, and accesses to shared words.
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

/// Orders every earlier access of this thread before every later one, including stores before
/// loads. ThreadSanitizer does not model fences; a read-modify-write has the same effect for it.
inline void full_fence() noexcept {
#ifdef ACCEL_THREAD_SANITIZER
    static std::atomic<int> fence;
    fence.fetch_add(0, std::memory_order_seq_cst);
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// Loads a word that the card writes. Earlier writes of the card are visible to later loads.
template <typename T>
[[nodiscard]] T load_acquire(T& word) noexcept {
    return std::atomic_ref<T>(word).load(std::memory_order_acquire);
}

/// Stores a word that the card reads. Earlier writes are visible to the card once it sees the
/// value.
template <typename T>
void store_release(T& word, T value) noexcept {
    std::atomic_ref<T>(word).store(value, std::memory_order_release);
}

/// Hints to the processor that this is a polling loop.
inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace accel::detail
