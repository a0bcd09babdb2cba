// SPDX-License-Identifier: GPL-2.0
//
// The numbers of GEMM and CONV2D: how operands become f32 and how sums become results.
//
// Products of bytes are summed by the kernel of f32, too, which is exact for kExactDepth of them;
// what it has summed then moves to 32-bit integers. So there is one kernel and one way to pack.
#pragma once

#include "gemm_block.hpp"

namespace accel::card {

class Arithmetic {
  public:
    // The flags that both commands have.
    struct Flags {
        bool bias;
        bool requantise;
        bool add;
    };

    Arithmetic(Execution& execution, uint8_t type, const accel_numbers& numbers, Flags flags,
               const Activation& activation);

    [[nodiscard]] Status check() const;

    [[nodiscard]] uint64_t src0_bytes() const { return bytes_[0]; }
    [[nodiscard]] uint64_t src1_bytes() const { return bytes_[1]; }
    [[nodiscard]] uint64_t dst_bytes() const { return bytes_[2]; }
    // Of what src2 holds for a column; zero: nothing.
    [[nodiscard]] uint64_t channel_bytes() const {
        return flags_.requantise ? sizeof(accel_channel) : flags_.bias ? sizeof(float) : 0;
    }
    // How many products the kernel may sum before collect().
    [[nodiscard]] uint64_t depth() const { return integers_ ? kExactDepth : kBlockDepth; }

    // As Memory::read_rows() of `columns` elements; at most Scratch::kStageFloats in all. Uses
    // stage 2.
    [[nodiscard]] Status read0(uint64_t address, uint64_t stride, uint64_t rows, uint64_t columns,
                               float* to) {
        return read(types_[0], zeros_[0], address, stride, rows, columns, to);
    }
    [[nodiscard]] Status read1(uint64_t address, uint64_t stride, uint64_t rows, uint64_t columns,
                               float* to) {
        return read(types_[1], zeros_[1], address, stride, rows, columns, to);
    }

    // A block of sums: at most kBlockRows x kBlockColumns, rows `width` apart.
    [[nodiscard]] float* sums() const { return scratch_.tile[1].get(); }
    void begin(uint64_t count);
    void collect(uint64_t count);

    // Makes results of `rows` x `columns` sums and writes them, rows `stride` bytes apart.
    // `channels` is the address of what src2 holds for the first column. Uses stages 1 and 2.
    [[nodiscard]] Status finish(uint64_t channels, uint64_t address, uint64_t stride, uint64_t rows,
                                uint64_t columns, uint64_t width);

  private:
    static constexpr uint64_t kExactDepth = 256;  // times 255 * 255 is below 2^24
    static constexpr uint64_t kMostSums = Scratch::kTileFloats / 2;
    static_assert(kBlockRows * kBlockColumns <= kMostSums);

    [[nodiscard]] Status read(uint8_t type, int32_t zero, uint64_t address, uint64_t stride,
                              uint64_t rows, uint64_t columns, float* to);
    [[nodiscard]] int32_t* totals() const {
        return reinterpret_cast<int32_t*>(scratch_.tile[1].get() + kMostSums);
    }
    void finish_integers(uint64_t rows, uint64_t columns, uint64_t width);

    Memory& memory_;
    Scratch& scratch_;
    std::array<uint8_t, 3> types_;  // src0, src1, dst
    std::array<uint64_t, 3> bytes_;
    std::array<int32_t, 3> zeros_;
    Flags flags_;
    Activation activation_;
    bool integers_;
    bool fields_;  // what must be zero is
};

}  // namespace accel::card
