// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// GEMM: D = act(A B + bias), for each matrix of a batch.
//
// The result is computed block by block. The operands are packed into panels whose size does not
// depend on the shape: block_rows x block_depth of A, and as much of B as the large panel holds. If
// all of k fits for a block's columns, B is read only once for them.
#include <algorithm>

#include "accumulator.hpp"
#include "units.hpp"

namespace accel::card {

namespace {

// A matrix, or a batch of them, with rows and columns as stored in memory.
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
    [[nodiscard]] std::uint64_t at(std::uint64_t index, std::uint64_t row,
                                   std::uint64_t column) const {
        return address + (index * batch_stride + row * stride + column) * element;
    }
    // All matrices of the batch. The matrix passed its check().
    [[nodiscard]] Extent extent() const {
        if (rows == 0 || columns == 0) {
            return {};
        }
        const std::uint64_t elements = (batch - 1) * batch_stride + (rows - 1) * stride + columns;
        return {.begin = address, .bytes = elements * element};
    }
    [[nodiscard]] bool has_distinct_elements() const {
        return are_distinct(
            std::array<Spacing, 3>{{{batch, batch_stride}, {rows, stride}, {columns, 1}}});
    }
};

class Gemm {
  public:
    Gemm(Execution& execution, const accel_gemm& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          accumulator_(execution, params.type, params.format,
                       {.bias = (params.flags & ACCEL_GEMM_BIAS) != 0,
                        .requantize = (params.flags & ACCEL_GEMM_REQUANTIZE) != 0,
                        .accumulate = (params.flags & ACCEL_GEMM_ACCUMULATE) != 0},
                       UnaryOp(params.activation, params.alpha, params.beta)),
          batch_(std::max<std::uint64_t>(params.batch, 1)),
          a_transposed_((params.flags & ACCEL_GEMM_TRANSPOSE_A) != 0),
          b_transposed_((params.flags & ACCEL_GEMM_TRANSPOSE_B) != 0),
          threads_(execution.threads) {
        const accel_tensor& t = execution.command.tensor;
        a_ = matrix(t.src0, a_transposed_, params_.m, params_.k, params_.lda,
                    accumulator_.src0_bytes(), params_.batch_a);
        b_ = matrix(t.src1, b_transposed_, params_.k, params_.n, params_.ldb,
                    accumulator_.src1_bytes(), params_.batch_b);
        d_ = matrix(t.dst, false, params_.m, params_.n, params_.ldd, accumulator_.dst_bytes(),
                    params_.batch_d);
        channels_ = t.src2;
    }

    [[nodiscard]] Status check() const {
        if (Status status = accumulator_.check(); status != ACCEL_OK) {
            return status;
        }
        const std::uint64_t channel = accumulator_.channel_bytes();
        if ((params_.flags & ~ACCEL_GEMM_FLAGS) != 0 || params_.reserved != 0 ||
            (params_.batch == 0 && (params_.batch_a | params_.batch_b | params_.batch_d) != 0) ||
            (channel == 0 && channels_ != 0)) {
            return ACCEL_BAD_FIELD;
        }
        for (const Matrix* matrix : {&a_, &b_, &d_}) {
            if (Status status = matrix->check(); status != ACCEL_OK) {
                return status;
            }
        }
        return aligned(channels_, sizeof(float))
                   ? check_extent(channels_, 1, 0, channel * params_.n)
                   : ACCEL_BAD_ALIGNMENT;
    }

    [[nodiscard]] Units units() {
        if (params_.m == 0 || params_.n == 0) {
            return {};
        }
        const Extent channels{.begin = channels_,
                              .bytes = accumulator_.channel_bytes() * params_.n};
        const Extent d = d_.extent();
        const bool independent = d_.has_distinct_elements() && !d.overlaps(a_.extent()) &&
                                 !d.overlaps(b_.extent()) && !d.overlaps(channels);
        const double nanoseconds = static_cast<double>(batch_) * params_.m * params_.n *
                                   (params_.k + 1.0) / macs_each_nanosecond;
        const std::uint64_t row_blocks = divide_up(params_.m, block_rows);
        tiling_ = make_tiling({.matrices = batch_,
                               .results = params_.m,
                               .row_blocks = row_blocks,
                               .columns = params_.n,
                               .max_width = block_columns,
                               .nanoseconds = nanoseconds,
                               .threads = independent ? threads_ : 1});
        const std::uint64_t count =
            saturated_product(batch_, tiling_.column_blocks * tiling_.row_parts);
        return {.count = count,
                .nanoseconds = independent ? nanoseconds / static_cast<double>(count) : 0,
                .cut_for_threads = tiling_.width != block_columns};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        return run_tiles(tiling_, range,
                         [this](const Tiling::Tile& tile) { return run_tile(tile); });
    }

  private:
    // The stored form of a `rows` x `columns` matrix.
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

    [[nodiscard]] Status run_tile(const Tiling::Tile& tile) {
        const std::uint64_t n = tile.column_block * tiling_.width;
        const std::uint64_t columns = std::min(params_.n - n, tiling_.width);
        if (index_ != tile.matrix || packed_column_ != n) {
            index_ = tile.matrix;
            packed_column_ = n;
            resident_ = 0;
        }
        const std::uint64_t first = tile.row_part * tiling_.rows * block_rows;
        const std::uint64_t last =
            std::min<std::uint64_t>(params_.m, first + tiling_.rows * block_rows);
        for (std::uint64_t m = first; m < last; m += block_rows) {
            const std::uint64_t rows = std::min(last - m, block_rows);
            if (Status status = block(m, rows, n, columns); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status block(std::uint64_t m, std::uint64_t rows, std::uint64_t n,
                               std::uint64_t columns) {
        const std::uint64_t width = round_up(columns, tile_columns);
        const std::uint64_t count = round_up(rows, tile_rows) * width;
        accumulator_.restart(count);
        const bool keep = params_.k * width <= Scratch::panel_floats;
        for (std::uint64_t k = 0; k < params_.k; k += accumulator_.depth()) {
            const std::uint64_t depth = std::min(params_.k - k, accumulator_.depth());
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
                    multiply_block(memory_, scratch_.tile[0].get(), panel, accumulator_.next_sums(),
                                   round_up(rows, tile_rows), width, depth);
                status != ACCEL_OK) {
                return status;
            }
            accumulator_.add_sums(count);
        }
        return accumulator_.write_results(channels_ + n * accumulator_.channel_bytes(),
                                          d_.at(index_, m, n), d_.stride * d_.element, rows,
                                          columns, width);
    }

    using Read = Status (BlockAccumulator::*)(std::uint64_t, std::uint64_t, std::uint64_t,
                                              std::uint64_t, float*);

    // Reads [row, row + rows) x [column, column + columns) of a stored matrix through a stage, in
    // groups of whole rows, and calls visit(first, rows, in) for each group. The number of rows of
    // a group, except the last, is a multiple of `multiple`.
    template <typename Visit>
    [[nodiscard]] Status for_rows(Read read, const Matrix& matrix, std::uint64_t row,
                                  std::uint64_t rows, std::uint64_t column, std::uint64_t columns,
                                  std::uint64_t multiple, Visit&& visit) {
        float* const stage = scratch_.stage[0].get();
        static_assert(block_depth * tile_columns <= Scratch::stage_floats);
        const std::uint64_t max_rows = Scratch::stage_floats / columns / multiple * multiple;
        for (std::uint64_t done = 0; done < rows;) {
            const std::uint64_t now = std::min(rows - done, max_rows);
            if (Status status =
                    (accumulator_.*read)(matrix.at(index_, row + done, column),
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
            return for_rows(&BlockAccumulator::read_src0, a_, k, depth, m, rows, 1,
                            [&](std::uint64_t first, std::uint64_t n, float* in) {
                                pack_along<tile_rows>(panel, first, n, in, rows, depth);
                            });
        }
        return for_rows(&BlockAccumulator::read_src0, a_, m, rows, k, depth, tile_rows,
                        [&](std::uint64_t first, std::uint64_t n, float* in) {
                            pack_across<tile_rows>(panel, first, n, in, depth);
                        });
    }

    [[nodiscard]] Status pack_b(float* panel, std::uint64_t k, std::uint64_t depth, std::uint64_t n,
                                std::uint64_t columns) {
        if (b_transposed_) {
            return for_rows(&BlockAccumulator::read_src1, b_, n, columns, k, depth, tile_columns,
                            [&](std::uint64_t first, std::uint64_t lines, float* in) {
                                pack_across<tile_columns>(panel, first, lines, in, depth);
                            });
        }
        return for_rows(&BlockAccumulator::read_src1, b_, k, depth, n, columns, 1,
                        [&](std::uint64_t first, std::uint64_t lines, float* in) {
                            pack_along<tile_columns>(panel, first, lines, in, columns, depth);
                        });
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_gemm& params_;
    BlockAccumulator accumulator_;
    const std::uint64_t batch_;
    const bool a_transposed_;
    const bool b_transposed_;
    const unsigned threads_;
    Tiling tiling_;
    Matrix a_{};
    Matrix b_{};
    Matrix d_{};
    std::uint64_t channels_ = 0;
    std::uint64_t index_ = 0;          // of the current matrices in the batch
    std::uint64_t packed_column_ = 0;  // the first of the current columns of B
    std::uint64_t resident_ = 0;       // the panel holds the current columns of B for k below this
};

}  // namespace

Status run_gemm(Execution& execution) {
    return run_tensor_command<Gemm, accel_gemm>(execution);
}

}  // namespace accel::card
