// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The inner loop of GEMM for each supported instruction set, selected at run time.
//
// The sums of blocks that wait for others are on a stack. A new block is in registers; as in a
// binary counter, it takes one sum from the stack for each trailing one of its index.
#include "gemm_kernel.hpp"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace accel::card {

namespace {

// The most sums that wait: max_depth / chain_length is 2 to this power.
constexpr std::size_t max_waiting = 5;
static_assert(max_depth / chain_length == std::size_t{1} << max_waiting);

void multiply_portable(const float* a, const float* b, float* sums, std::size_t stride,
                       std::size_t depth) {
    constexpr std::size_t size = tile_rows * tile_columns;
    float waiting[max_waiting + 1][size];
    std::size_t top = 0;
    for (std::size_t k = 0; k < depth; k += chain_length) {
        float* const chain = waiting[top];
        std::fill_n(chain, size, 0.0F);
        for (std::size_t i = k; i < std::min(k + chain_length, depth); ++i) {
            for (std::size_t row = 0; row < tile_rows; ++row) {
                for (std::size_t column = 0; column < tile_columns; ++column) {
                    float& sum = chain[row * tile_columns + column];
                    sum = std::fma(a[i * tile_rows + row], b[i * tile_columns + column], sum);
                }
            }
        }
        const bool last = k + chain_length >= depth;
        for (std::size_t index = k / chain_length; last ? top != 0 : (index & 1) != 0;
             index >>= 1) {
            --top;
            for (std::size_t i = 0; i < size; ++i) {
                waiting[top][i] = waiting[top][i] + waiting[top + 1][i];
            }
        }
        ++top;
    }
    for (std::size_t row = 0; row < tile_rows; ++row) {
        std::copy_n(waiting[0] + row * tile_columns, tile_columns, sums + row * stride);
    }
}

#if defined(__x86_64__)

// A part of a tile whose chains fit the registers. Each function is inlined, so that the sums stay
// there.
#define ACCEL_AVX2 [[gnu::target("avx2,fma"), gnu::always_inline]] inline
#define ACCEL_AVX512 [[gnu::target("avx512f"), gnu::always_inline]] inline

struct PartAvx2 {
    static constexpr std::size_t rows = 4;
    static constexpr std::size_t vectors = 2;
    static constexpr std::size_t width = 8;
    static constexpr std::size_t columns = vectors * width;
    __m256 sums[rows][vectors];

    ACCEL_AVX2 void clear() {
        for (auto& row : sums) {
            row[0] = row[1] = _mm256_setzero_ps();
        }
    }
    ACCEL_AVX2 void multiply(const float* a, const float* b) {
        const __m256 b0 = _mm256_loadu_ps(b);
        const __m256 b1 = _mm256_loadu_ps(b + width);
        for (std::size_t i = 0; i < rows; ++i) {
            const __m256 value = _mm256_broadcast_ss(a + i);
            sums[i][0] = _mm256_fmadd_ps(value, b0, sums[i][0]);
            sums[i][1] = _mm256_fmadd_ps(value, b1, sums[i][1]);
        }
    }
    ACCEL_AVX2 void add(const float* from) {
        for (std::size_t i = 0; i < rows; ++i) {
            sums[i][0] = _mm256_add_ps(_mm256_load_ps(from + i * columns), sums[i][0]);
            sums[i][1] = _mm256_add_ps(_mm256_load_ps(from + i * columns + width), sums[i][1]);
        }
    }
    ACCEL_AVX2 void store(float* to, std::size_t stride) const {
        for (std::size_t i = 0; i < rows; ++i) {
            _mm256_storeu_ps(to + i * stride, sums[i][0]);
            _mm256_storeu_ps(to + i * stride + width, sums[i][1]);
        }
    }
};

struct PartAvx512 {
    static constexpr std::size_t rows = tile_rows;
    static constexpr std::size_t width = 16;
    static constexpr std::size_t columns = 2 * width;
    __m512 sums[rows][2];

    ACCEL_AVX512 void clear() {
        for (auto& row : sums) {
            row[0] = row[1] = _mm512_setzero_ps();
        }
    }
    ACCEL_AVX512 void multiply(const float* a, const float* b) {
        const __m512 b0 = _mm512_loadu_ps(b);
        const __m512 b1 = _mm512_loadu_ps(b + width);
        for (std::size_t i = 0; i < rows; ++i) {
            const __m512 value = _mm512_set1_ps(a[i]);
            sums[i][0] = _mm512_fmadd_ps(value, b0, sums[i][0]);
            sums[i][1] = _mm512_fmadd_ps(value, b1, sums[i][1]);
        }
    }
    ACCEL_AVX512 void add(const float* from) {
        for (std::size_t i = 0; i < rows; ++i) {
            sums[i][0] = _mm512_add_ps(_mm512_load_ps(from + i * columns), sums[i][0]);
            sums[i][1] = _mm512_add_ps(_mm512_load_ps(from + i * columns + width), sums[i][1]);
        }
    }
    ACCEL_AVX512 void store(float* to, std::size_t stride) const {
        for (std::size_t i = 0; i < rows; ++i) {
            _mm512_storeu_ps(to + i * stride, sums[i][0]);
            _mm512_storeu_ps(to + i * stride + width, sums[i][1]);
        }
    }
};

// The body of a kernel, for one part of a tile. A macro, because a function template would not have
// the instruction set of its caller.
#define ACCEL_MULTIPLY_PART(Part, a, b, to, stride, depth)                            \
    do {                                                                              \
        constexpr std::size_t size = Part::rows * Part::columns;                      \
        alignas(64) float waiting[max_waiting][size];                                 \
        float* top = waiting[0];                                                      \
        Part part;                                                                    \
        const float* left = (a);                                                      \
        const float* right = (b);                                                     \
        const std::size_t chains = ((depth)-1) / chain_length; /* but for the last */ \
        for (std::size_t index = 0; index < chains; ++index) {                        \
            part.clear();                                                             \
            for (std::size_t k = 0; k < chain_length / 8; ++k) {                      \
                _Pragma("GCC unroll 8") for (std::size_t i = 0; i < 8; ++i) {         \
                    part.multiply(left, right);                                       \
                    left += tile_rows;                                                \
                    right += tile_columns;                                            \
                }                                                                     \
            }                                                                         \
            for (std::size_t bits = index; (bits & 1) != 0; bits >>= 1) {             \
                top -= size;                                                          \
                part.add(top);                                                        \
            }                                                                         \
            part.store(top, Part::columns);                                           \
            top += size;                                                              \
        }                                                                             \
        part.clear();                                                                 \
        for (std::size_t k = chains * chain_length; k < (depth); ++k) {               \
            part.multiply(left, right);                                               \
            left += tile_rows;                                                        \
            right += tile_columns;                                                    \
        }                                                                             \
        while (top != waiting[0]) {                                                   \
            top -= size;                                                              \
            part.add(top);                                                            \
        }                                                                             \
        part.store((to), (stride));                                                   \
    } while (false)

// Works on a quarter of a tile at a time, because that many sums fit the registers.
[[gnu::target("avx2,fma")]] void multiply_avx2(const float* a, const float* b, float* sums,
                                               std::size_t stride, std::size_t depth) {
    for (std::size_t row = 0; row < tile_rows; row += PartAvx2::rows) {
        for (std::size_t column = 0; column < tile_columns; column += PartAvx2::columns) {
            ACCEL_MULTIPLY_PART(PartAvx2, a + row, b + column, sums + row * stride + column, stride,
                                depth);
        }
    }
}

[[gnu::target("avx512f")]] void multiply_avx512(const float* a, const float* b, float* sums,
                                                std::size_t stride, std::size_t depth) {
    ACCEL_MULTIPLY_PART(PartAvx512, a, b, sums, stride, depth);
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
