// SPDX-License-Identifier: Apache-2.0
//
// Functions compiled twice, for processors with wide vectors and fused multiply-add and for all
// others; the loader picks. Both give the same bits: nothing is contracted or reordered.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FASHION_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FASHION_SANITIZED
#endif

// A sanitizer's runtime is not ready when the loader asks which one to take.
#if defined(__x86_64__) && !defined(FASHION_SANITIZED)
#define FASHION_CLONES [[gnu::target_clones("fma", "default")]]
#else
#define FASHION_CLONES
#endif
