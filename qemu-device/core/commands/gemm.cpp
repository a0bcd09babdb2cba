// SPDX-License-Identifier: GPL-2.0
//
// GEMM: D = act(A B + bias), for each matrix of a batch.
//
// Blocks of the result are computed one after another. Operands are packed into panels of fixed
// size whatever the shape is: of A block_rows x block_depth, of B as much as the big panel holds
// (all k for a stretch of n if it fits, so that B is then read once), and the sums of a block.
#include <algorithm>

#include "arithmetic.hpp"

namespace accel::card {

namespace {

// Rows and columns of a matrix as it is stored.
struct Matrix {
    std::uint64_t address;
    std::uint64_t rows;
    std::uint64_t columns;
    std::uint64_t stride;                   // elements
    std::uint64_t element = sizeof(float);  // bytes
    std::uint64_t batch = 1;
    std::uint64_t batch_stride = 0;  // elements

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
        std::uint64_t bytes = 0;
        if (__builtin_mul_overflow(rows - 1, stride, &bytes) ||
            __builtin_add_overflow(bytes, columns, &bytes) ||
            __builtin_mul_overflow(bytes, element, &bytes)) {
            return ACCEL_BAD_SIZE;
        }
        return check_extent(address, batch, batch_stride * element, bytes);
    }
    [[nodiscard]] std::uint64_t at(std::uint64_t row, std::uint64_t column) const {
        return address + (row * stride + column) * element;
    }
};

class Gemm {
  public:
    Gemm(Execution& execution, const accel_gemm& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          arithmetic_(execution, params.type, params.format,
                      {.bias = (params.flags & ACCEL_GEMM_BIAS) != 0,
                       .requantize = (params.flags & ACCEL_GEMM_REQUANTIZE) != 0,
                       .add = (params.flags & ACCEL_GEMM_ACCUMULATE) != 0},
                      Activation(params.activation, params.alpha, params.beta)),
          batch_(std::max<std::uint64_t>(params.batch, 1)),
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
        const std::uint64_t channel = arithmetic_.channel_bytes();
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
        for (std::uint64_t i = 0; i < batch_; ++i) {
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
    [[nodiscard]] Matrix matrix(std::uint64_t address, bool transposed, std::uint64_t rows,
                                std::uint64_t columns, std::uint64_t stride, std::uint64_t element,
                                std::uint64_t batch_stride) const {
        return {.address = address,
                .rows = transposed ? columns : rows,
                .columns = transposed ? rows : columns,
                .stride = stride,
                .element = element,
                .batch = batch_,
                .batch_stride = batch_stride};
    }

    [[nodiscard]] Status run_one() {
        for (std::uint64_t n = 0; n < p_.n; n += block_columns) {
            const std::uint64_t columns = std::min(p_.n - n, block_columns);
            resident_ = 0;
            for (std::uint64_t m = 0; m < p_.m; m += block_rows) {
                const std::uint64_t rows = std::min(p_.m - m, block_rows);
                if (Status status = block(m, rows, n, columns); status != ACCEL_OK) {
                    return status;
                }
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status block(std::uint64_t m, std::uint64_t rows, std::uint64_t n,
                               std::uint64_t columns) {
        const std::uint64_t width = round_up(columns, tile_columns);
        const std::uint64_t count = round_up(rows, tile_rows) * width;
        arithmetic_.begin(count);
        const bool keep = p_.k * width <= Scratch::panel_floats;
        for (std::uint64_t k = 0; k < p_.k; k += arithmetic_.depth()) {
            const std::uint64_t depth = std::min(p_.k - k, arithmetic_.depth());
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
                                   round_up(rows, tile_rows), width, depth);
                status != ACCEL_OK) {
                return status;
            }
            arithmetic_.collect(count);
        }
        return arithmetic_.finish(channels_ + n * arithmetic_.channel_bytes(), d_.at(m, n),
                                  d_.stride * d_.element, rows, columns, width);
    }

    using Read = Status (Arithmetic::*)(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                        float*);

    // Reads rows [row, row + rows) x [column, column + columns) of a stored matrix through a stage
    // and hands over stretches of whole rows, `multiple` of them or the last: visit(first, rows,
    // in).
    template <typename Visit>
    [[nodiscard]] Status for_rows(Read read, const Matrix& matrix, std::uint64_t row,
                                  std::uint64_t rows, std::uint64_t column, std::uint64_t columns,
                                  std::uint64_t multiple, Visit&& visit) {
        float* const stage = scratch_.stage[0].get();
        static_assert(block_depth * tile_columns <= Scratch::stage_floats);
        const std::uint64_t most = Scratch::stage_floats / columns / multiple * multiple;
        for (std::uint64_t done = 0; done < rows;) {
            const std::uint64_t now = std::min(rows - done, most);
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

    [[nodiscard]] Status pack_a(std::uint64_t m, std::uint64_t rows, std::uint64_t k,
                                std::uint64_t depth) {
        float* const panel = scratch_.tile[0].get();
        if (a_transposed_) {
            return for_rows(&Arithmetic::read0, a_, k, depth, m, rows, 1,
                            [&](std::uint64_t first, std::uint64_t n, float* in) {
                                pack_along<tile_rows>(panel, first, n, in, rows, depth);
                            });
        }
        return for_rows(&Arithmetic::read0, a_, m, rows, k, depth, tile_rows,
                        [&](std::uint64_t first, std::uint64_t n, float* in) {
                            pack_across<tile_rows>(panel, first, n, in, depth);
                        });
    }

    [[nodiscard]] Status pack_b(float* panel, std::uint64_t k, std::uint64_t depth, std::uint64_t n,
                                std::uint64_t columns) {
        if (b_transposed_) {
            return for_rows(&Arithmetic::read1, b_, n, columns, k, depth, tile_columns,
                            [&](std::uint64_t first, std::uint64_t lines, float* in) {
                                pack_across<tile_columns>(panel, first, lines, in, depth);
                            });
        }
        return for_rows(&Arithmetic::read1, b_, k, depth, n, columns, 1,
                        [&](std::uint64_t first, std::uint64_t lines, float* in) {
                            pack_along<tile_columns>(panel, first, lines, in, columns, depth);
                        });
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_gemm& p_;
    Arithmetic arithmetic_;
    const std::uint64_t batch_;
    const bool a_transposed_;
    const bool b_transposed_;
    Matrix a_{};
    Matrix b_{};
    Matrix d_{};
    std::uint64_t channels_ = 0;
    std::uint64_t resident_ = 0;  // k below this is in the panel for the present stretch of n
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
