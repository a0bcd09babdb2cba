// SPDX-License-Identifier: GPL-2.0
//
// What GEMM and CONV2D share: operands packed into tiles, a block of the result multiplied out of
// them, bias and activation at its end. A block is kBlockRows x kBlockColumns of the result; its
// sums take k in stretches of kBlockDepth, ascending.
#pragma once

#include <algorithm>

#include "gemm_kernel.hpp"
#include "math.hpp"
#include "operation.hpp"

namespace accel::card {

inline constexpr uint64_t kBlockRows = 64;
inline constexpr uint64_t kBlockColumns = 512;
inline constexpr uint64_t kBlockDepth = 1024;
static_assert(kBlockRows * kBlockDepth <= Scratch::kTileFloats);
static_assert(kBlockRows * kBlockColumns <= Scratch::kTileFloats);
static_assert(kBlockDepth * kBlockColumns <= Scratch::kPanelFloats);
static_assert(kBlockRows % kTileRows == 0 && kBlockColumns % kTileColumns == 0);

constexpr uint64_t round_up(uint64_t value, uint64_t to) {
    return (value + to - 1) / to * to;
}

// Lays `lines` rows of `length` values out by tiles of kLines rows, transposed: tile[i][line].
template <size_t kLines>
void pack_across(float* panel, uint64_t first, uint64_t lines, const float* rows, uint64_t length) {
    for (uint64_t line = 0; line < lines; line += kLines) {
        float* out = panel + (first + line) * length;
        const uint64_t here = std::min<uint64_t>(lines - line, kLines);
        const float* const in = rows + line * length;
        if (here == kLines) {
            for (uint64_t i = 0; i < length; ++i) {
                for (size_t j = 0; j < kLines; ++j) {
                    *out++ = in[j * length + i];
                }
            }
        } else {
            for (uint64_t i = 0; i < length; ++i) {
                for (size_t j = 0; j < kLines; ++j) {
                    *out++ = j < here ? in[j * length + i] : 0.0F;
                }
            }
        }
    }
}

// Lays `lines` rows of `width` values out by tiles of kColumns columns: tile[line][column].
template <size_t kColumns>
void pack_along(float* panel, uint64_t first, uint64_t lines, const float* rows, uint64_t width,
                uint64_t depth) {
    for (uint64_t line = 0; line < lines; ++line) {
        const float* const in = rows + line * width;
        for (uint64_t column = 0; column < width; column += kColumns) {
            float* const out = panel + column * depth + (first + line) * kColumns;
            const uint64_t here = std::min<uint64_t>(width - column, kColumns);
            std::copy_n(in + column, here, out);
            std::fill_n(out + here, kColumns - here, 0.0F);
        }
    }
}

// sums += a x panel: `rows` and `width` are whole tiles, both operands packed `depth` deep.
[[nodiscard]] inline Status multiply_block(Memory& memory, const float* a, const float* panel,
                                           float* sums, uint64_t rows, uint64_t width,
                                           uint64_t depth) {
    const GemmKernel kernel = gemm_kernel();
    for (uint64_t column = 0; column < width; column += kTileColumns) {
        if (Status status = memory.check(); status != ACCEL_OK) {
            return status;
        }
        memory.work(Work::macs, rows * kTileColumns * depth);
        for (uint64_t row = 0; row < rows; row += kTileRows) {
            kernel(a + row * depth, panel + column * depth, sums + row * width + column, width,
                   depth);
        }
    }
    return ACCEL_OK;
}

// Sums as multiply_block() leaves them become dense, with a bias for each column or null. In place:
// never ahead of what it reads.
inline void add_bias(float* sums, uint64_t rows, uint64_t columns, uint64_t width,
                     const float* bias) {
    for (uint64_t row = 0; row < rows; ++row) {
        const float* const in = sums + row * width;
        float* const out = sums + row * columns;
        for (uint64_t column = 0; column < columns; ++column) {
            out[column] = bias != nullptr ? in[column] + bias[column] : in[column];
        }
    }
}

}  // namespace accel::card
