// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Blocks of a matrix product, shared by GEMM and CONV2D: packing of operands into tiles, and
// multiplication of a block of block_rows x block_columns results, block_depth products at a time.
#pragma once

#include <algorithm>

#include "execution.hpp"
#include "gemm_kernel.hpp"
#include "numerics/math.hpp"

namespace accel::card {

inline constexpr std::uint64_t block_rows = 64;
inline constexpr std::uint64_t block_columns = 512;
inline constexpr std::uint64_t block_depth = max_depth;
static_assert(block_rows * block_depth <= Scratch::tile_floats);
static_assert(block_rows * block_columns <= Scratch::tile_floats);
static_assert(block_depth * block_columns <= Scratch::panel_floats);
static_assert(block_rows % tile_rows == 0 && block_columns % tile_columns == 0);

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
    return (value + to - 1) / to * to;
}

// Packs `lines` rows of `length` values into tiles of line_count rows, transposed: tile[i][line].
template <std::size_t line_count>
void pack_across(float* panel, std::uint64_t first, std::uint64_t lines, const float* rows,
                 std::uint64_t length) {
    for (std::uint64_t line = 0; line < lines; line += line_count) {
        float* out = panel + (first + line) * length;
        const std::uint64_t here = std::min<std::uint64_t>(lines - line, line_count);
        const float* const in = rows + line * length;
        if (here == line_count) {
            for (std::uint64_t i = 0; i < length; ++i) {
                for (std::size_t j = 0; j < line_count; ++j) {
                    *out++ = in[j * length + i];
                }
            }
        } else {
            for (std::uint64_t i = 0; i < length; ++i) {
                for (std::size_t j = 0; j < line_count; ++j) {
                    *out++ = j < here ? in[j * length + i] : 0.0F;
                }
            }
        }
    }
}

// Packs `lines` rows of `width` values into tiles of column_count columns: tile[line][column].
template <std::size_t column_count>
void pack_along(float* panel, std::uint64_t first, std::uint64_t lines, const float* rows,
                std::uint64_t width, std::uint64_t depth) {
    for (std::uint64_t line = 0; line < lines; ++line) {
        const float* const in = rows + line * width;
        for (std::uint64_t column = 0; column < width; column += column_count) {
            float* const out = panel + column * depth + (first + line) * column_count;
            const std::uint64_t here = std::min<std::uint64_t>(width - column, column_count);
            std::copy_n(in + column, here, out);
            std::fill_n(out + here, column_count - here, 0.0F);
        }
    }
}

// sums = a x panel. `rows` and `width` are whole tiles; both operands are packed `depth` deep.
[[nodiscard]] inline Status multiply_block(Memory& memory, const float* a, const float* panel,
                                           float* sums, std::uint64_t rows, std::uint64_t width,
                                           std::uint64_t depth) {
    const GemmKernel kernel = gemm_kernel();
    for (std::uint64_t column = 0; column < width; column += tile_columns) {
        if (Status status = memory.check(); status != ACCEL_OK) {
            return status;
        }
        memory.work(Work::macs, rows * tile_columns * depth);
        for (std::uint64_t row = 0; row < rows; row += tile_rows) {
            kernel(a + row * depth, panel + column * depth, sums + row * width + column, width,
                   depth);
        }
    }
    return ACCEL_OK;
}

// Makes the sums of multiply_block() dense, and adds a bias for each column unless it is null. It
// works in place, because a write never overtakes a read.
inline void add_bias(float* sums, std::uint64_t rows, std::uint64_t columns, std::uint64_t width,
                     const float* bias) {
    for (std::uint64_t row = 0; row < rows; ++row) {
        const float* const in = sums + row * width;
        float* const out = sums + row * columns;
        for (std::uint64_t column = 0; column < columns; ++column) {
            out[column] = bias != nullptr ? in[column] + bias[column] : in[column];
        }
    }
}

}  // namespace accel::card
