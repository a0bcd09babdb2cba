// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The inner loop of GEMM.
//
// A kernel sums `depth` products for each of tile_rows x tile_columns results, in the order of the
// data sheet. A chain of fused multiply-adds sums each block of chain_length consecutive k. The
// sums of blocks are added up pairwise. Vectors run along n, so vector width and instruction set do
// not change any result.
#pragma once

#include <cstddef>

namespace accel::card {

inline constexpr std::size_t tile_rows = 8;
inline constexpr std::size_t tile_columns = 32;
inline constexpr std::size_t chain_length = 32;
inline constexpr std::size_t max_depth = 32 * chain_length;

// a: depth x tile_rows, b: depth x tile_columns, both packed; sums: rows `stride` floats apart.
// depth: 1 … max_depth.
using GemmKernel = void (*)(const float* a, const float* b, float* sums, std::size_t stride,
                            std::size_t depth);

// The fastest kernel for this machine.
[[nodiscard]] GemmKernel gemm_kernel();

// All kernels that run on this machine, the portable one first. For tests.
struct NamedGemmKernel {
    const char* name;
    GemmKernel kernel;
};
[[nodiscard]] std::size_t gemm_kernels(NamedGemmKernel (&kernels)[3]);

}  // namespace accel::card
