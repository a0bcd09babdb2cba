// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// CONV2D: D = act(sum over taps and channels of S * W + bias).
//
// A row of results is a part of a GEMM whose matrix A never exists as a whole. Line x of A holds
// the inputs of result x in the order of the weights, with zeros outside of the image. It is
// gathered tap by tap into the tiles of the GEMM kernel. In a depthwise convolution there is no sum
// over channels, and vectors run along the channels instead.
#include "accumulator.hpp"
#include "fma_kernel.hpp"
#include "image.hpp"
#include "units.hpp"

namespace accel::card {

namespace {

class Conv2d {
  public:
    Conv2d(Execution& execution, const accel_conv2d& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          accumulator_(execution, params.type, params.format,
                       {.bias = (params.flags & ACCEL_CONV2D_BIAS) != 0,
                        .requantize = (params.flags & ACCEL_CONV2D_REQUANTIZE) != 0,
                        .accumulate = (params.flags & ACCEL_CONV2D_ACCUMULATE) != 0},
                       UnaryOp(params.activation, params.alpha, params.beta)),
          weight_bytes_(accumulator_.src1_bytes()),
          tensor_(execution.command.tensor),
          src_(tensor_.src0, params.src, params.batch, accumulator_.src0_bytes()),
          dst_(tensor_.dst, params.dst, params.batch, accumulator_.dst_bytes()),
          window_(params.window, params.src),
          threads_(execution.threads) {}

    [[nodiscard]] Status check() {
        if (Status status = accumulator_.check(); status != ACCEL_OK) {
            return status;
        }
        if ((params_.flags & ~ACCEL_CONV2D_FLAGS) != 0 || params_.groups == 0 ||
            params_.reserved0 != 0 || !all_zero(params_.reserved1) ||
            params_.src.channels % params_.groups != 0 ||
            params_.dst.channels % params_.groups != 0 ||
            (accumulator_.channel_bytes() == 0 && tensor_.src2 != 0)) {
            return ACCEL_BAD_FIELD;
        }
        if (Status status = check_window(params_.window); status != ACCEL_OK) {
            return status;
        }
        depth_ = params_.src.channels / params_.groups;
        columns_ = params_.dst.channels / params_.groups;
        if (!aligned(tensor_.src1, weight_bytes_) || !aligned(tensor_.src2, sizeof(float))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        std::uint64_t weights = 0;
        if (__builtin_mul_overflow(window_.taps(), depth_, &k_) ||
            __builtin_mul_overflow(k_, params_.dst.channels * weight_bytes_, &weights)) {
            return ACCEL_BAD_SIZE;
        }
        return first_failure(
            {src_.check(), check_extent(tensor_.src1, 1, 0, weights),
             check_extent(tensor_.src2, 1, 0, params_.dst.channels * accumulator_.channel_bytes()),
             dst_.check()});
    }

    [[nodiscard]] Units units() {
        const RowBlocks blocks(params_.batch, params_.dst, max_results());
        if (blocks.count() == 0 || params_.dst.channels == 0) {
            return {};
        }
        const Extent dst = dst_.extent();
        const Extent weights{.begin = tensor_.src1,
                             .bytes = k_ * params_.dst.channels * weight_bytes_};
        const Extent channels{.begin = tensor_.src2,
                              .bytes = params_.dst.channels * accumulator_.channel_bytes()};
        const bool independent = dst_.has_distinct_elements() && !dst.overlaps(src_.extent()) &&
                                 !dst.overlaps(weights) && !dst.overlaps(channels);
        const double results =
            static_cast<double>(params_.batch) * params_.dst.height * params_.dst.width;
        double nanoseconds = results * params_.dst.channels * (static_cast<double>(k_) + 1) /
                             (is_depthwise() ? depthwise_macs : macs_each_nanosecond);
        tiling_ = make_tiling(
            {.matrices = is_depthwise() ? 1 : std::uint64_t{params_.groups},
             .results = saturated_product(saturated_product(params_.batch, params_.dst.height),
                                          params_.dst.width),
             .row_blocks = blocks.count(),
             .columns = is_depthwise() ? std::uint64_t{params_.groups} : columns_,
             .max_width = block_columns,
             .nanoseconds = nanoseconds,
             .threads = independent ? threads_ : 1});
        const std::uint64_t count =
            saturated_product(is_depthwise() ? 1 : std::uint64_t{params_.groups},
                              tiling_.column_blocks * tiling_.row_parts);
        return {.count = count,
                .nanoseconds = independent ? nanoseconds / static_cast<double>(count) : 0,
                .cut_for_threads = tiling_.width != block_columns};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        return run_tiles(tiling_, range,
                         [this](const Tiling::Tile& tile) { return run_tile(tile); });
    }

  private:
    // Multiply-adds of a depthwise convolution in a nanosecond, about.
    static constexpr double depthwise_macs = 4;
    static constexpr std::uint64_t depthwise_results = Scratch::stage_floats / block_columns;
    static_assert(depthwise_results * block_columns <= block_rows * block_columns);

    [[nodiscard]] bool is_depthwise() const { return depth_ == 1 && columns_ == 1; }
    // The most results of a block.
    [[nodiscard]] std::uint64_t max_results() const {
        return is_depthwise() ? depthwise_results : block_rows;
    }

    // Computes a block of columns for some blocks of rows.
    [[nodiscard]] Status run_tile(const Tiling::Tile& tile) {
        const std::uint64_t n = tile.column_block * tiling_.width;
        if (group_ != tile.matrix || packed_column_ != n) {
            group_ = tile.matrix;
            packed_column_ = n;
            resident_ = 0;
        }
        const RowBlocks blocks(params_.batch, params_.dst, max_results());
        const std::uint64_t first = tile.row_part * tiling_.rows;
        const std::uint64_t last = first + std::min(blocks.count() - first, tiling_.rows);
        for (std::uint64_t i = first; i < last; ++i) {
            const RowBlock row = blocks[i];
            const Status status =
                is_depthwise()
                    ? depthwise_block(n, std::min(params_.groups - n, tiling_.width), row)
                    : block(n, std::min(columns_ - n, tiling_.width), row);
            if (status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    // Writes the results of a block, from `channel` on.
    [[nodiscard]] Status write_results(const RowBlock& row, std::uint64_t channel,
                                       std::uint64_t channels, std::uint64_t width) {
        return accumulator_.write_results(tensor_.src2 + channel * accumulator_.channel_bytes(),
                                          dst_.at(row.image, row.y, row.x, channel),
                                          dst_.pixel_bytes(), row.count, channels, width);
    }

    // ---- the general case

    [[nodiscard]] Status block(std::uint64_t n, std::uint64_t columns, const RowBlock& row) {
        const std::uint64_t width = round_up(columns, tile_columns);
        const std::uint64_t rows = round_up(row.count, tile_rows);
        const std::uint64_t channel = group_ * columns_ + n;
        accumulator_.restart(rows * width);
        const bool keep = k_ <= Scratch::panel_floats / width;
        for (std::uint64_t k = 0; k < k_; k += accumulator_.depth()) {
            const std::uint64_t depth = std::min(k_ - k, accumulator_.depth());
            float* const panel = scratch_.panel.get() + (keep ? k * width : 0);
            if (!keep || k >= resident_) {
                if (Status status = pack_weights(panel, k, depth, channel, columns);
                    status != ACCEL_OK) {
                    return status;
                }
                resident_ = k + depth;
            }
            if (Status status = pack_taps(row, k, depth); status != ACCEL_OK) {
                return status;
            }
            if (Status status = multiply_block(memory_, scratch_.tile[0].get(), panel,
                                               accumulator_.next_sums(), rows, width, depth);
                status != ACCEL_OK) {
                return status;
            }
            accumulator_.add_sums(rows * width);
        }
        return write_results(row, channel, columns, width);
    }

    [[nodiscard]] Status pack_weights(float* panel, std::uint64_t k, std::uint64_t depth,
                                      std::uint64_t channel, std::uint64_t columns) {
        float* const stage = scratch_.stage[0].get();
        const std::uint64_t stride = params_.dst.channels * weight_bytes_;
        const std::uint64_t max_rows = Scratch::stage_floats / columns;
        for (std::uint64_t done = 0; done < depth;) {
            const std::uint64_t now = std::min(depth - done, max_rows);
            const std::uint64_t from = tensor_.src1 + (k + done) * stride + channel * weight_bytes_;
            if (Status status = accumulator_.read_src1(from, stride, now, columns, stage);
                status != ACCEL_OK) {
                return status;
            }
            pack_along<tile_columns>(panel, done, now, stage, columns, depth);
            done += now;
        }
        return ACCEL_OK;
    }

    // Gathers the inputs of a block of results, for [k, k + depth) of the sum, into the tile of
    // matrix A.
    [[nodiscard]] Status pack_taps(const RowBlock& block, std::uint64_t k, std::uint64_t depth) {
        constexpr std::uint64_t block_channels = Scratch::stage_floats / block_rows;
        float* const tile = scratch_.tile[0].get();
        float* const stage = scratch_.stage[0].get();
        std::fill_n(tile, round_up(block.count, tile_rows) * depth, 0.0F);
        for (std::uint64_t done = 0; done < depth;) {
            const std::uint64_t tap = (k + done) / depth_;
            const std::uint64_t first = (k + done) % depth_;
            const std::uint64_t now = std::min({depth - done, depth_ - first, block_channels});
            std::uint64_t row = 0;
            const InsideRange inside =
                window_.columns(block.x, block.count, tap % params_.window.width);
            if (window_.row(block.y, tap / params_.window.width, row) &&
                inside.first < inside.last) {
                const std::uint64_t from =
                    src_.at(block.image, row, inside.column, group_ * depth_ + first);
                if (Status status =
                        accumulator_.read_src0(from, src_.pixel_bytes() * window_.step(),
                                               inside.last - inside.first, now, stage);
                    status != ACCEL_OK) {
                    return status;
                }
                const float* in = stage;
                for (std::uint64_t line = inside.first; line < inside.last; ++line) {
                    float* out = tile + line / tile_rows * tile_rows * depth + done * tile_rows +
                                 line % tile_rows;
                    for (std::uint64_t i = 0; i < now; ++i, out += tile_rows) {
                        *out = *in++;
                    }
                }
            }
            done += now;
        }
        return ACCEL_OK;
    }

    // ---- depthwise convolutions

    [[nodiscard]] Status depthwise_block(std::uint64_t channel, std::uint64_t channels,
                                         const RowBlock& block) {
        const std::uint64_t count = block.count;
        float* const stage = scratch_.stage[0].get();
        float* const weights = scratch_.stage[1].get();
        const FmaKernel kernel = fma_kernel();
        accumulator_.restart(count * channels);
        for (std::uint64_t tap = 0; tap < window_.taps(); ++tap) {
            if (Status status = memory_.check(); status != ACCEL_OK) {
                return status;
            }
            float* const sums = accumulator_.next_sums();
            if (tap % accumulator_.chain() == 0) {
                std::fill_n(sums, count * channels, 0.0F);
            }
            const std::uint64_t from =
                tensor_.src1 + (tap * params_.dst.channels + channel) * weight_bytes_;
            if (Status status = accumulator_.read_src1(from, 0, 1, channels, weights);
                status != ACCEL_OK) {
                return status;
            }
            // Outside of the image the inputs are zeros.
            std::fill_n(stage, count * channels, 0.0F);
            std::uint64_t row = 0;
            const InsideRange inside = window_.columns(block.x, count, tap % params_.window.width);
            if (window_.row(block.y, tap / params_.window.width, row) &&
                inside.first < inside.last) {
                if (Status status = accumulator_.read_src0(
                        src_.at(block.image, row, inside.column, channel),
                        src_.pixel_bytes() * window_.step(), inside.last - inside.first, channels,
                        stage + inside.first * channels);
                    status != ACCEL_OK) {
                    return status;
                }
            }
            memory_.work(Work::macs, count * channels);
            for (std::uint64_t i = 0; i < count; ++i) {
                kernel(sums + i * channels, stage + i * channels, weights, channels);
            }
            if ((tap + 1) % accumulator_.chain() == 0 || tap + 1 == window_.taps()) {
                accumulator_.add_sums(count * channels);
            }
        }
        return write_results(block, channel, channels, channels);
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_conv2d& params_;
    BlockAccumulator accumulator_;
    const std::uint64_t weight_bytes_;  // of one weight
    const accel_tensor& tensor_;
    ImageBatch src_;
    ImageBatch dst_;
    SlidingWindow window_;
    const unsigned threads_;
    Tiling tiling_;
    std::uint64_t depth_ = 0;          // channels of a group of the source
    std::uint64_t columns_ = 0;        // channels of a group of the result
    std::uint64_t k_ = 0;              // taps times depth_
    std::uint64_t group_ = 0;          // the current one
    std::uint64_t packed_column_ = 0;  // the first of the current columns
    std::uint64_t resident_ = 0;       // the panel holds the current columns for k below this
};

}  // namespace

Status run_conv2d(Execution& execution) {
    return run_tensor_command<Conv2d, accel_conv2d>(execution);
}

}  // namespace accel::card
