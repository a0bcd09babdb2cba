// SPDX-License-Identifier: GPL-2.0
//
// GEMM: D = act(A B + bias), f32.
//
// Blocks of the result are computed one after another. Operands are packed into panels of fixed
// size whatever the shape is: of A kBlockRows x kBlockDepth, of B as much as the big panel holds
// (all k for a stretch of n if it fits, so that B is then read once), and the sums of a block.
#include <algorithm>

#include "gemm_block.hpp"
#include "math.hpp"
#include "operation.hpp"

namespace accel::card {

namespace {

// Rows and columns of a matrix as it is stored.
struct Matrix {
    uint64_t address;
    uint64_t rows;
    uint64_t columns;
    uint64_t stride;  // elements

    [[nodiscard]] Status check() const {
        if (!aligned(address, sizeof(float))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        return stride < columns
                   ? ACCEL_BAD_FIELD
                   : check_extent(address, rows, stride * sizeof(float), columns * sizeof(float));
    }
    [[nodiscard]] uint64_t at(uint64_t row, uint64_t column) const {
        return address + (row * stride + column) * sizeof(float);
    }
};

class Gemm {
  public:
    Gemm(Execution& execution, const accel_gemm& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          activation_(params.activation, params.alpha, params.beta),
          a_transposed_((params.flags & ACCEL_GEMM_TRANSPOSE_A) != 0),
          b_transposed_((params.flags & ACCEL_GEMM_TRANSPOSE_B) != 0) {
        const accel_tensor& t = execution.command.tensor;
        a_ =
            a_transposed_ ? Matrix{t.src0, p_.k, p_.m, p_.lda} : Matrix{t.src0, p_.m, p_.k, p_.lda};
        b_ =
            b_transposed_ ? Matrix{t.src1, p_.n, p_.k, p_.ldb} : Matrix{t.src1, p_.k, p_.n, p_.ldb};
        d_ = Matrix{t.dst, p_.m, p_.n, p_.ldd};
        bias_ = Matrix{t.src2, (p_.flags & ACCEL_GEMM_BIAS) != 0 ? 1U : 0U, p_.n, p_.n};
    }

    [[nodiscard]] Status check() const {
        if (p_.type != ACCEL_TYPE_F32 || !activation_.valid() ||
            (p_.flags & ~ACCEL_GEMM_FLAGS) != 0 || !all_zero(p_.reserved) ||
            (bias_.rows == 0 && bias_.address != 0)) {
            return ACCEL_BAD_FIELD;
        }
        for (const Matrix* matrix : {&a_, &b_, &bias_, &d_}) {
            if (Status status = matrix->check(); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status run() {
        if (p_.m == 0) {
            return ACCEL_OK;
        }
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

  private:
    [[nodiscard]] Status block(uint64_t m, uint64_t rows, uint64_t n, uint64_t columns) {
        const uint64_t width = round_up(columns, kTileColumns);
        float* const sums = scratch_.tile[1].get();
        std::fill_n(sums, kBlockRows * width, 0.0F);
        const bool keep = p_.k * width <= Scratch::kPanelFloats;
        for (uint64_t k = 0; k < p_.k; k += kBlockDepth) {
            const uint64_t depth = std::min(p_.k - k, kBlockDepth);
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
            if (Status status = multiply_block(memory_, scratch_.tile[0].get(), panel, sums,
                                               round_up(rows, kTileRows), width, depth);
                status != ACCEL_OK) {
                return status;
            }
        }
        return store(sums, m, rows, n, columns, width);
    }

    // Reads rows [row, row + rows) x [column, column + columns) of a stored matrix through a stage
    // and hands over stretches of whole rows, `multiple` of them or the last: visit(first, rows,
    // in).
    template <typename Visit>
    [[nodiscard]] Status for_rows(const Matrix& matrix, uint64_t row, uint64_t rows,
                                  uint64_t column, uint64_t columns, uint64_t multiple,
                                  Visit&& visit) {
        float* const stage = scratch_.stage[0].get();
        static_assert(kBlockDepth * kTileColumns <= Scratch::kStageFloats);
        const uint64_t most = Scratch::kStageFloats / columns / multiple * multiple;
        for (uint64_t done = 0; done < rows;) {
            const uint64_t now = std::min(rows - done, most);
            if (Status status =
                    memory_.read_rows(matrix.at(row + done, column), matrix.stride * sizeof(float),
                                      now, columns * sizeof(float), stage);
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
            return for_rows(a_, k, depth, m, rows, 1, [&](uint64_t first, uint64_t n, float* in) {
                pack_along<kTileRows>(panel, first, n, in, rows, depth);
            });
        }
        return for_rows(a_, m, rows, k, depth, kTileRows,
                        [&](uint64_t first, uint64_t n, float* in) {
                            pack_across<kTileRows>(panel, first, n, in, depth);
                        });
    }

    [[nodiscard]] Status pack_b(float* panel, uint64_t k, uint64_t depth, uint64_t n,
                                uint64_t columns) {
        if (b_transposed_) {
            return for_rows(b_, n, columns, k, depth, kTileColumns,
                            [&](uint64_t first, uint64_t lines, float* in) {
                                pack_across<kTileColumns>(panel, first, lines, in, depth);
                            });
        }
        return for_rows(b_, k, depth, n, columns, 1,
                        [&](uint64_t first, uint64_t lines, float* in) {
                            pack_along<kTileColumns>(panel, first, lines, in, columns, depth);
                        });
    }

    [[nodiscard]] Status store(float* sums, uint64_t m, uint64_t rows, uint64_t n, uint64_t columns,
                               uint64_t width) {
        float* const bias = scratch_.stage[1].get();
        if (bias_.rows != 0) {
            if (Status status = memory_.read(bias_.at(0, n), bias, columns * sizeof(float));
                status != ACCEL_OK) {
                return status;
            }
        }
        finish_block(memory_, sums, rows, columns, width, bias_.rows != 0 ? bias : nullptr,
                     activation_);
        return memory_.write_rows(d_.at(m, n), d_.stride * sizeof(float), rows,
                                  columns * sizeof(float), sums);
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_gemm& p_;
    const Activation activation_;
    const bool a_transposed_;
    const bool b_transposed_;
    Matrix a_{};
    Matrix b_{};
    Matrix bias_{};
    Matrix d_{};
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
