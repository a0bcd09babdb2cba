// SPDX-License-Identifier: GPL-2.0
//
// GEMM: D = act(A B + bias), for each matrix of a batch.
//
// Blocks of the result are computed one after another. Operands are packed into panels of fixed
// size whatever the shape is: of A kBlockRows x kBlockDepth, of B as much as the big panel holds
// (all k for a stretch of n if it fits, so that B is then read once), and the sums of a block.
#include <algorithm>

#include "arithmetic.hpp"

namespace accel::card {

namespace {

// Rows and columns of a matrix as it is stored.
struct Matrix {
    uint64_t address;
    uint64_t rows;
    uint64_t columns;
    uint64_t stride;                   // elements
    uint64_t element = sizeof(float);  // bytes
    uint64_t batch = 1;
    uint64_t batch_stride = 0;  // elements

    [[nodiscard]] Status check() const {
        if (!aligned(address, element)) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (stride < columns) {
            return ACCEL_BAD_FIELD;
        }
        if (rows == 0 || columns == 0) {
            return ACCEL_OK;
        }
        uint64_t bytes = 0;
        if (__builtin_mul_overflow(rows - 1, stride, &bytes) ||
            __builtin_add_overflow(bytes, columns, &bytes) ||
            __builtin_mul_overflow(bytes, element, &bytes)) {
            return ACCEL_BAD_SIZE;
        }
        return check_extent(address, batch, batch_stride * element, bytes);
    }
    [[nodiscard]] uint64_t at(uint64_t row, uint64_t column) const {
        return address + (row * stride + column) * element;
    }
};

class Gemm {
  public:
    Gemm(Execution& execution, const accel_gemm& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          arithmetic_(execution, params.type, params.numbers,
                      {.bias = (params.flags & ACCEL_GEMM_BIAS) != 0,
                       .requantise = (params.flags & ACCEL_GEMM_REQUANTISE) != 0,
                       .add = (params.flags & ACCEL_GEMM_ADD) != 0},
                      Activation(params.activation, params.alpha, params.beta)),
          batch_(std::max<uint64_t>(params.batch, 1)),
          a_transposed_((params.flags & ACCEL_GEMM_TRANSPOSE_A) != 0),
          b_transposed_((params.flags & ACCEL_GEMM_TRANSPOSE_B) != 0) {
        const accel_tensor& t = execution.command.tensor;
        a_ =
            matrix(t.src0, a_transposed_, p_.m, p_.k, p_.lda, arithmetic_.src0_bytes(), p_.batch_a);
        b_ =
            matrix(t.src1, b_transposed_, p_.k, p_.n, p_.ldb, arithmetic_.src1_bytes(), p_.batch_b);
        d_ = matrix(t.dst, false, p_.m, p_.n, p_.ldd, arithmetic_.dst_bytes(), p_.batch_d);
        channels_ = t.src2;
    }

    [[nodiscard]] Status check() const {
        if (Status status = arithmetic_.check(); status != ACCEL_OK) {
            return status;
        }
        const uint64_t channel = arithmetic_.channel_bytes();
        if ((p_.flags & ~ACCEL_GEMM_FLAGS) != 0 || p_.reserved != 0 ||
            (p_.batch == 0 && (p_.batch_a | p_.batch_b | p_.batch_d) != 0) ||
            (channel == 0 && channels_ != 0)) {
            return ACCEL_BAD_FIELD;
        }
        for (const Matrix* matrix : {&a_, &b_, &d_}) {
            if (Status status = matrix->check(); status != ACCEL_OK) {
                return status;
            }
        }
        return aligned(channels_, sizeof(float)) ? check_extent(channels_, 1, 0, channel * p_.n)
                                                 : ACCEL_BAD_ALIGNMENT;
    }

    [[nodiscard]] Status run() {
        if (p_.m == 0 || p_.n == 0) {
            return ACCEL_OK;
        }
        for (uint64_t i = 0; i < batch_; ++i) {
            if (Status status = run_one(); status != ACCEL_OK) {
                return status;
            }
            for (Matrix* matrix : {&a_, &b_, &d_}) {
                matrix->address += matrix->batch_stride * matrix->element;
            }
        }
        return ACCEL_OK;
    }

  private:
    // As it is stored, of `rows` x `columns`.
    [[nodiscard]] Matrix matrix(uint64_t address, bool transposed, uint64_t rows, uint64_t columns,
                                uint64_t stride, uint64_t element, uint64_t batch_stride) const {
        return {.address = address,
                .rows = transposed ? columns : rows,
                .columns = transposed ? rows : columns,
                .stride = stride,
                .element = element,
                .batch = batch_,
                .batch_stride = batch_stride};
    }

    [[nodiscard]] Status run_one() {
        for (uint64_t n = 0; n < p_.n; n += kBlockColumns) {
            const uint64_t columns = std::min(p_.n - n, kBlockColumns);
            resident_ = 0;
            for (uint64_t m = 0; m < p_.m; m += kBlockRows) {
                const uint64_t rows = std::min(p_.m - m, kBlockRows);
                if (Status status = block(m, rows, n, columns); status != ACCEL_OK) {
                    return status;
                }
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status block(uint64_t m, uint64_t rows, uint64_t n, uint64_t columns) {
        const uint64_t width = round_up(columns, kTileColumns);
        const uint64_t count = round_up(rows, kTileRows) * width;
        arithmetic_.begin(count);
        const bool keep = p_.k * width <= Scratch::kPanelFloats;
        for (uint64_t k = 0; k < p_.k; k += arithmetic_.depth()) {
            const uint64_t depth = std::min(p_.k - k, arithmetic_.depth());
            float* const panel = scratch_.panel.get() + (keep ? k * width : 0);
            if (!keep || k >= resident_) {
                if (Status status = pack_b(panel, k, depth, n, columns); status != ACCEL_OK) {
                    return status;
                }
                resident_ = k + depth;
            }
            if (Status status = pack_a(m, rows, k, depth); status != ACCEL_OK) {
                return status;
            }
            if (Status status =
                    multiply_block(memory_, scratch_.tile[0].get(), panel, arithmetic_.sums(),
                                   round_up(rows, kTileRows), width, depth);
                status != ACCEL_OK) {
                return status;
            }
            arithmetic_.collect(count);
        }
        return arithmetic_.finish(channels_ + n * arithmetic_.channel_bytes(), d_.at(m, n),
                                  d_.stride * d_.element, rows, columns, width);
    }

    using Read = Status (Arithmetic::*)(uint64_t, uint64_t, uint64_t, uint64_t, float*);

    // Reads rows [row, row + rows) x [column, column + columns) of a stored matrix through a stage
    // and hands over stretches of whole rows, `multiple` of them or the last: visit(first, rows,
    // in).
    template <typename Visit>
    [[nodiscard]] Status for_rows(Read read, const Matrix& matrix, uint64_t row, uint64_t rows,
                                  uint64_t column, uint64_t columns, uint64_t multiple,
                                  Visit&& visit) {
        float* const stage = scratch_.stage[0].get();
        static_assert(kBlockDepth * kTileColumns <= Scratch::kStageFloats);
        const uint64_t most = Scratch::kStageFloats / columns / multiple * multiple;
        for (uint64_t done = 0; done < rows;) {
            const uint64_t now = std::min(rows - done, most);
            if (Status status =
                    (arithmetic_.*read)(matrix.at(row + done, column),
                                        matrix.stride * matrix.element, now, columns, stage);
                status != ACCEL_OK) {
                return status;
            }
            visit(done, now, stage);
            done += now;
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status pack_a(uint64_t m, uint64_t rows, uint64_t k, uint64_t depth) {
        float* const panel = scratch_.tile[0].get();
        if (a_transposed_) {
            return for_rows(&Arithmetic::read0, a_, k, depth, m, rows, 1,
                            [&](uint64_t first, uint64_t n, float* in) {
                                pack_along<kTileRows>(panel, first, n, in, rows, depth);
                            });
        }
        return for_rows(&Arithmetic::read0, a_, m, rows, k, depth, kTileRows,
                        [&](uint64_t first, uint64_t n, float* in) {
                            pack_across<kTileRows>(panel, first, n, in, depth);
                        });
    }

    [[nodiscard]] Status pack_b(float* panel, uint64_t k, uint64_t depth, uint64_t n,
                                uint64_t columns) {
        if (b_transposed_) {
            return for_rows(&Arithmetic::read1, b_, n, columns, k, depth, kTileColumns,
                            [&](uint64_t first, uint64_t lines, float* in) {
                                pack_across<kTileColumns>(panel, first, lines, in, depth);
                            });
        }
        return for_rows(&Arithmetic::read1, b_, k, depth, n, columns, 1,
                        [&](uint64_t first, uint64_t lines, float* in) {
                            pack_along<kTileColumns>(panel, first, lines, in, columns, depth);
                        });
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_gemm& p_;
    Arithmetic arithmetic_;
    const uint64_t batch_;
    const bool a_transposed_;
    const bool b_transposed_;
    Matrix a_{};
    Matrix b_{};
    Matrix d_{};
    uint64_t channels_ = 0;
    uint64_t resident_ = 0;  // k below this is in the panel for the present stretch of n
};

}  // namespace

Status run_gemm(Execution& execution) {
    accel_gemm params{};
    if (Status status = read_params(execution, &params, sizeof params); status != ACCEL_OK) {
        return status;
    }
    Gemm gemm(execution, params);
    if (Status status = gemm.check(); status != ACCEL_OK) {
        return status;
    }
    return gemm.run();
}

}  // namespace accel::card
