// SPDX-License-Identifier: Apache-2.0
//
// Functions compiled twice, for processors with wide vectors and fused multiply-add and for all
// others; the loader picks. Both give the same bits: nothing is contracted or reordered.
#pragma once

// A sanitizer's runtime is not ready when the loader asks which one to take.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define FASHION_CLONES [[gnu::target_clones("fma", "default")]]
#else
#define FASHION_CLONES
#endif
