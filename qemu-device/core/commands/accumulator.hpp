// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The numerics of GEMM and CONV2D: conversion of operands to f32, the sums of a block, and the
// conversion of sums to results.
//
// The f32 kernel also sums products of int8 operands, which is exact for exact_depth products. The
// partial sums are then added to 32-bit integers. So all data types share one kernel and one
// packing.
#pragma once

#include "block_sums.hpp"
#include "gemm_block.hpp"

namespace accel::card {

class BlockAccumulator {
  public:
    // The flags that both commands have.
    struct Flags {
        bool bias;
        bool requantize;
        bool accumulate;
    };

    BlockAccumulator(Execution& execution, std::uint8_t type, const accel_numeric_format& format,
                     Flags flags, const UnaryOp& activation);

    [[nodiscard]] Status check() const;

    [[nodiscard]] std::uint64_t src0_bytes() const { return bytes_[0]; }
    [[nodiscard]] std::uint64_t src1_bytes() const { return bytes_[1]; }
    [[nodiscard]] std::uint64_t dst_bytes() const { return bytes_[2]; }
    // The bytes that src2 holds for a column; zero if it is not used.
    [[nodiscard]] std::uint64_t channel_bytes() const {
        return flags_.requantize ? sizeof(accel_channel_quant) : flags_.bias ? sizeof(float) : 0;
    }
    // How many products the kernel may sum before add_sums(), and how many a single chain may.
    [[nodiscard]] std::uint64_t depth() const { return int8_ ? exact_depth : block_depth; }
    [[nodiscard]] std::uint64_t chain() const { return int8_ ? exact_depth : chain_length; }

    // Like Memory::read_rows() for rows of `columns` elements, converted to f32; at most
    // Scratch::stage_floats elements in all. Uses stage 2.
    [[nodiscard]] Status read_src0(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                                   std::uint64_t columns, float* to) {
        return read(types_[0], zero_points_[0], address, stride, rows, columns, to);
    }
    [[nodiscard]] Status read_src1(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                                   std::uint64_t columns, float* to) {
        return read(types_[1], zero_points_[1], address, stride, rows, columns, to);
    }

    // Begins `count` results: at most block_rows x block_columns.
    void restart(std::uint64_t count);
    // Where the sums of the next depth() or chain() products belong.
    [[nodiscard]] float* next_sums() const { return block_sums_.next(); }
    // Adds them to the sums of the products before.
    void add_sums(std::uint64_t count);

    // Converts `rows` x `columns` sums, which are in rows of `width`, to results and writes these,
    // in rows `stride` bytes apart. `channels` is the address in src2 of the first column's data.
    // Uses stages 1 and 2.
    [[nodiscard]] Status write_results(std::uint64_t channels, std::uint64_t address,
                                       std::uint64_t stride, std::uint64_t rows,
                                       std::uint64_t columns, std::uint64_t width);

  private:
    static constexpr std::uint64_t exact_depth = 256;  // 256 * 255 * 255 is below 2^24
    static constexpr std::uint64_t max_sums = Scratch::tile_floats / 2;
    static_assert(max_sums == BlockSums::max_results);
    static_assert(block_rows * block_columns <= max_sums);

    [[nodiscard]] Status read(std::uint8_t type, std::int32_t zero_point, std::uint64_t address,
                              std::uint64_t stride, std::uint64_t rows, std::uint64_t columns,
                              float* to);
    [[nodiscard]] float* sums() const { return scratch_.tile[1].get(); }
    [[nodiscard]] std::int32_t* totals() const {
        return reinterpret_cast<std::int32_t*>(scratch_.tile[1].get() + max_sums);
    }
    void finish_integers(std::uint64_t rows, std::uint64_t columns, std::uint64_t width);
    [[nodiscard]] Status add_previous(std::uint64_t address, std::uint64_t stride,
                                      std::uint64_t rows, std::uint64_t columns);
    void finish_values(std::uint64_t count);

    Memory& memory_;
    Scratch& scratch_;
    BlockSums block_sums_;
    std::array<std::uint8_t, 3> types_;  // src0, src1, dst
    std::array<std::uint64_t, 3> bytes_;
    std::array<std::int32_t, 3> zero_points_;
    Flags flags_;
    UnaryOp activation_;
    bool int8_;           // the operands are int8, and the sums integers
    bool reserved_zero_;  // reserved fields of the numeric format are zero
};

}  // namespace accel::card
