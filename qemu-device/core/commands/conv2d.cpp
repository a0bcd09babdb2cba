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
          window_(params.window, params.src) {}

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

    [[nodiscard]] Status run() {
        if (params_.batch == 0 || params_.dst.height == 0 || params_.dst.width == 0 ||
            params_.dst.channels == 0) {
            return ACCEL_OK;
        }
        if (depth_ == 1 && columns_ == 1) {
            return run_depthwise();
        }
        for (std::uint64_t group = 0; group < params_.groups; ++group) {
            for (std::uint64_t n = 0; n < columns_; n += block_columns) {
                const std::uint64_t columns = std::min(columns_ - n, block_columns);
                resident_ = 0;
                if (Status status = for_row_blocks(block_rows,
                                                   [&](std::uint64_t image, std::uint64_t y,
                                                       std::uint64_t x, std::uint64_t count) {
                                                       return block(group, n, columns, image, y, x,
                                                                    count);
                                                   });
                    status != ACCEL_OK) {
                    return status;
                }
            }
        }
        return ACCEL_OK;
    }

  private:
    // Calls visit(image, y, x, count) for every block of at most `max_results` results of a row.
    template <typename Visit>
    [[nodiscard]] Status for_row_blocks(std::uint64_t max_results, Visit&& visit) {
        for (std::uint64_t image = 0; image < params_.batch; ++image) {
            for (std::uint64_t y = 0; y < params_.dst.height; ++y) {
                for (std::uint64_t x = 0; x < params_.dst.width; x += max_results) {
                    if (Status status =
                            visit(image, y, x, std::min(params_.dst.width - x, max_results));
                        status != ACCEL_OK) {
                        return status;
                    }
                }
            }
        }
        return ACCEL_OK;
    }

    // Writes results [x, x + count) of a row, from `channel` on.
    [[nodiscard]] Status write_results(std::uint64_t image, std::uint64_t y, std::uint64_t x,
                                       std::uint64_t count, std::uint64_t channel,
                                       std::uint64_t channels, std::uint64_t width) {
        return accumulator_.write_results(tensor_.src2 + channel * accumulator_.channel_bytes(),
                                          dst_.at(image, y, x, channel), dst_.pixel_bytes(), count,
                                          channels, width);
    }

    // ---- the general case

    [[nodiscard]] Status block(std::uint64_t group, std::uint64_t n, std::uint64_t columns,
                               std::uint64_t image, std::uint64_t y, std::uint64_t x,
                               std::uint64_t count) {
        const std::uint64_t width = round_up(columns, tile_columns);
        const std::uint64_t rows = round_up(count, tile_rows);
        const std::uint64_t channel = group * columns_ + n;
        accumulator_.clear(rows * width);
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
            if (Status status = pack_taps(group, image, y, x, count, k, depth);
                status != ACCEL_OK) {
                return status;
            }
            if (Status status = multiply_block(memory_, scratch_.tile[0].get(), panel,
                                               accumulator_.sums(), rows, width, depth);
                status != ACCEL_OK) {
                return status;
            }
            accumulator_.fold_partial_sums(rows * width);
        }
        return write_results(image, y, x, count, channel, columns, width);
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

    // Gathers the inputs of results [x, x + count), for [k, k + depth) of the sum, into the tile of
    // matrix A.
    [[nodiscard]] Status pack_taps(std::uint64_t group, std::uint64_t image, std::uint64_t y,
                                   std::uint64_t x, std::uint64_t count, std::uint64_t k,
                                   std::uint64_t depth) {
        constexpr std::uint64_t block_channels = Scratch::stage_floats / block_rows;
        float* const tile = scratch_.tile[0].get();
        float* const stage = scratch_.stage[0].get();
        std::fill_n(tile, round_up(count, tile_rows) * depth, 0.0F);
        for (std::uint64_t done = 0; done < depth;) {
            const std::uint64_t tap = (k + done) / depth_;
            const std::uint64_t first = (k + done) % depth_;
            const std::uint64_t now = std::min({depth - done, depth_ - first, block_channels});
            std::uint64_t row = 0;
            const InsideRange inside = window_.columns(x, count, tap % params_.window.width);
            if (window_.row(y, tap / params_.window.width, row) && inside.first < inside.last) {
                const std::uint64_t from =
                    src_.at(image, row, inside.column, group * depth_ + first);
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

    [[nodiscard]] Status run_depthwise() {
        constexpr std::uint64_t block_channels = 512;
        constexpr std::uint64_t block_results = Scratch::stage_floats / block_channels;
        static_assert(block_results * block_channels <= block_rows * block_columns);
        for (std::uint64_t channel = 0; channel < columns_ * params_.groups;
             channel += block_channels) {
            const std::uint64_t channels = std::min(params_.groups - channel, block_channels);
            const auto visit = [&](std::uint64_t image, std::uint64_t y, std::uint64_t x,
                                   std::uint64_t count) {
                return depthwise_block(channel, channels, image, y, x, count);
            };
            if (Status status = for_row_blocks(block_results, visit); status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status depthwise_block(std::uint64_t channel, std::uint64_t channels,
                                         std::uint64_t image, std::uint64_t y, std::uint64_t x,
                                         std::uint64_t count) {
        float* const sums = accumulator_.sums();
        float* const stage = scratch_.stage[0].get();
        float* const weights = scratch_.stage[1].get();
        const FmaKernel kernel = fma_kernel();
        accumulator_.clear(count * channels);
        for (std::uint64_t tap = 0; tap < window_.taps(); ++tap) {
            if (Status status = memory_.check(); status != ACCEL_OK) {
                return status;
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
            const InsideRange inside = window_.columns(x, count, tap % params_.window.width);
            if (window_.row(y, tap / params_.window.width, row) && inside.first < inside.last) {
                if (Status status = accumulator_.read_src0(
                        src_.at(image, row, inside.column, channel),
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
            if ((tap + 1) % accumulator_.depth() == 0 || tap + 1 == window_.taps()) {
                accumulator_.fold_partial_sums(count * channels);
            }
        }
        return write_results(image, y, x, count, channel, channels, channels);
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
    std::uint64_t depth_ = 0;     // channels of a group of the source
    std::uint64_t columns_ = 0;   // channels of a group of the result
    std::uint64_t k_ = 0;         // taps times depth_
    std::uint64_t resident_ = 0;  // the panel holds the current columns for k below this
};

}  // namespace

Status run_conv2d(Execution& execution) {
    return run_tensor_command<Conv2d, accel_conv2d>(execution);
}

}  // namespace accel::card
