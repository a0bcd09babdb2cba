// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The inner loop of GEMM for each supported instruction set, selected at run time.
#include "gemm_kernel.hpp"

#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace accel::card {

namespace {

void multiply_portable(const float* a, const float* b, float* sums, std::size_t stride,
                       std::size_t depth) {
    for (std::size_t k = 0; k < depth; ++k) {
        for (std::size_t row = 0; row < tile_rows; ++row) {
            for (std::size_t column = 0; column < tile_columns; ++column) {
                float& sum = sums[row * stride + column];
                sum = std::fma(a[k * tile_rows + row], b[k * tile_columns + column], sum);
            }
        }
    }
}

#if defined(__x86_64__)

// Works on a quarter of a tile at a time, because that many sums fit the registers.
[[gnu::target("avx2,fma")]] void multiply_avx2(const float* a, const float* b, float* sums,
                                               std::size_t stride, std::size_t depth) {
    constexpr std::size_t rows = 4;
    constexpr std::size_t vectors = 2;
    constexpr std::size_t width = 8;
    for (std::size_t row = 0; row < tile_rows; row += rows) {
        for (std::size_t column = 0; column < tile_columns; column += vectors * width) {
            float* const out = sums + row * stride + column;
            __m256 acc[rows][vectors];
            for (std::size_t i = 0; i < rows; ++i) {
                for (std::size_t j = 0; j < vectors; ++j) {
                    acc[i][j] = _mm256_loadu_ps(out + i * stride + j * width);
                }
            }
            for (std::size_t k = 0; k < depth; ++k) {
                const float* const line = b + k * tile_columns + column;
                const __m256 b0 = _mm256_loadu_ps(line);
                const __m256 b1 = _mm256_loadu_ps(line + width);
                for (std::size_t i = 0; i < rows; ++i) {
                    const __m256 value = _mm256_broadcast_ss(a + k * tile_rows + row + i);
                    acc[i][0] = _mm256_fmadd_ps(value, b0, acc[i][0]);
                    acc[i][1] = _mm256_fmadd_ps(value, b1, acc[i][1]);
                }
            }
            for (std::size_t i = 0; i < rows; ++i) {
                for (std::size_t j = 0; j < vectors; ++j) {
                    _mm256_storeu_ps(out + i * stride + j * width, acc[i][j]);
                }
            }
        }
    }
}

[[gnu::target("avx512f")]] void multiply_avx512(const float* a, const float* b, float* sums,
                                                std::size_t stride, std::size_t depth) {
    constexpr std::size_t width = 16;
    __m512 acc[tile_rows][2];
    for (std::size_t i = 0; i < tile_rows; ++i) {
        acc[i][0] = _mm512_loadu_ps(sums + i * stride);
        acc[i][1] = _mm512_loadu_ps(sums + i * stride + width);
    }
    for (std::size_t k = 0; k < depth; ++k) {
        const __m512 b0 = _mm512_loadu_ps(b + k * tile_columns);
        const __m512 b1 = _mm512_loadu_ps(b + k * tile_columns + width);
        for (std::size_t i = 0; i < tile_rows; ++i) {
            const __m512 value = _mm512_set1_ps(a[k * tile_rows + i]);
            acc[i][0] = _mm512_fmadd_ps(value, b0, acc[i][0]);
            acc[i][1] = _mm512_fmadd_ps(value, b1, acc[i][1]);
        }
    }
    for (std::size_t i = 0; i < tile_rows; ++i) {
        _mm512_storeu_ps(sums + i * stride, acc[i][0]);
        _mm512_storeu_ps(sums + i * stride + width, acc[i][1]);
    }
}

#endif

}  // namespace

std::size_t gemm_kernels(NamedGemmKernel (&kernels)[3]) {
    std::size_t count = 0;
    kernels[count++] = {.name = "portable", .kernel = multiply_portable};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        kernels[count++] = {.name = "avx2", .kernel = multiply_avx2};
    }
    if (__builtin_cpu_supports("avx512f")) {
        kernels[count++] = {.name = "avx512", .kernel = multiply_avx512};
    }
#endif
    return count;
}

GemmKernel gemm_kernel() {
    static const GemmKernel best = [] {
        NamedGemmKernel kernels[3];
        return kernels[gemm_kernels(kernels) - 1].kernel;
    }();
    return best;
}

}  // namespace accel::card
