// SPDX-License-Identifier: Apache-2.0
//
// FASHION_CLONES compiles a function twice, with and without the fused multiply-add of the
// processor. The loader picks one. Both have the same results to the bit: the compiler contracts
// and reorders nothing.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FASHION_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FASHION_SANITIZED
#endif

// The loader picks before the runtime of a sanitizer is ready.
#if defined(__x86_64__) && !defined(FASHION_SANITIZED)
#define FASHION_CLONES [[gnu::target_clones("fma", "default")]]
#else
#define FASHION_CLONES
#endif
