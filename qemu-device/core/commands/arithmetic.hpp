// SPDX-License-Identifier: GPL-2.0
//
// The numbers of GEMM and CONV2D: how operands become f32 and how sums become results.
//
// Products of bytes are summed by the kernel of f32, too, which is exact for exact_depth of them;
// what it has summed then moves to 32-bit integers. So there is one kernel and one way to pack.
#pragma once

#include "gemm_block.hpp"

namespace accel::card {

class Arithmetic {
  public:
    // The flags that both commands have.
    struct Flags {
        bool bias;
        bool requantize;
        bool add;
    };

    Arithmetic(Execution& execution, std::uint8_t type, const accel_numeric_format& numbers,
               Flags flags, const Activation& activation);

    [[nodiscard]] Status check() const;

    [[nodiscard]] std::uint64_t src0_bytes() const { return bytes_[0]; }
    [[nodiscard]] std::uint64_t src1_bytes() const { return bytes_[1]; }
    [[nodiscard]] std::uint64_t dst_bytes() const { return bytes_[2]; }
    // Of what src2 holds for a column; zero: nothing.
    [[nodiscard]] std::uint64_t channel_bytes() const {
        return flags_.requantize ? sizeof(accel_channel_quant) : flags_.bias ? sizeof(float) : 0;
    }
    // How many products the kernel may sum before collect().
    [[nodiscard]] std::uint64_t depth() const { return integers_ ? exact_depth : block_depth; }

    // As Memory::read_rows() of `columns` elements; at most Scratch::stage_floats in all. Uses
    // stage 2.
    [[nodiscard]] Status read0(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                               std::uint64_t columns, float* to) {
        return read(types_[0], zeros_[0], address, stride, rows, columns, to);
    }
    [[nodiscard]] Status read1(std::uint64_t address, std::uint64_t stride, std::uint64_t rows,
                               std::uint64_t columns, float* to) {
        return read(types_[1], zeros_[1], address, stride, rows, columns, to);
    }

    // A block of sums: at most block_rows x block_columns, rows `width` apart.
    [[nodiscard]] float* sums() const { return scratch_.tile[1].get(); }
    void begin(std::uint64_t count);
    void collect(std::uint64_t count);

    // Makes results of `rows` x `columns` sums and writes them, rows `stride` bytes apart.
    // `channels` is the address of what src2 holds for the first column. Uses stages 1 and 2.
    [[nodiscard]] Status finish(std::uint64_t channels, std::uint64_t address, std::uint64_t stride,
                                std::uint64_t rows, std::uint64_t columns, std::uint64_t width);

  private:
    static constexpr std::uint64_t exact_depth = 256;  // times 255 * 255 is below 2^24
    static constexpr std::uint64_t most_sums = Scratch::tile_floats / 2;
    static_assert(block_rows * block_columns <= most_sums);

    [[nodiscard]] Status read(std::uint8_t type, std::int32_t zero, std::uint64_t address,
                              std::uint64_t stride, std::uint64_t rows, std::uint64_t columns,
                              float* to);
    [[nodiscard]] std::int32_t* totals() const {
        return reinterpret_cast<std::int32_t*>(scratch_.tile[1].get() + most_sums);
    }
    void finish_integers(std::uint64_t rows, std::uint64_t columns, std::uint64_t width);

    Memory& memory_;
    Scratch& scratch_;
    std::array<std::uint8_t, 3> types_;  // src0, src1, dst
    std::array<std::uint64_t, 3> bytes_;
    std::array<std::int32_t, 3> zeros_;
    Flags flags_;
    Activation activation_;
    bool integers_;
    bool fields_;  // what must be zero is
};

}  // namespace accel::card
