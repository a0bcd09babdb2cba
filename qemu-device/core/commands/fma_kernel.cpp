// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The fused multiply-add loop, selected at run time.
#include "fma_kernel.hpp"

#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace accel::card {

namespace {

void add_portable(float* sums, const float* a, const float* b, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        sums[i] = std::fma(a[i], b[i], sums[i]);
    }
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void add_avx2(float* sums, const float* a, const float* b,
                                          std::size_t count) {
    constexpr std::size_t width = 8;
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        _mm256_storeu_ps(sums + i, _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i),
                                                   _mm256_loadu_ps(sums + i)));
    }
    for (; i < count; ++i) {
        _mm_store_ss(sums + i,
                     _mm_fmadd_ss(_mm_load_ss(a + i), _mm_load_ss(b + i), _mm_load_ss(sums + i)));
    }
}
#endif

}  // namespace

FmaKernel fma_kernel() {
#if defined(__x86_64__)
    static const bool vectors = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (vectors) {
        return add_avx2;
    }
#endif
    return add_portable;
}

}  // namespace accel::card
