// SPDX-License-Identifier: GPL-2.0
//
// CONV2D: D = act(sum over taps and channels of S * W + bias).
//
// A row of results is a piece of a GEMM whose A is never there as a whole: line x of it is what
// result x looks at, in the order of the weights, with zeros outside the image. It is gathered tap
// by tap into the tiles that the kernel of GEMM takes. Where every channel has a weight of its own
// there is no sum over channels, and vectors run along them instead.
#include "arithmetic.hpp"
#include "fma_kernel.hpp"
#include "image.hpp"

namespace accel::card {

namespace {

class Conv2d {
  public:
    Conv2d(Execution& execution, const accel_conv2d& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          arithmetic_(execution, params.type, params.format,
                      {.bias = (params.flags & ACCEL_CONV2D_BIAS) != 0,
                       .requantize = (params.flags & ACCEL_CONV2D_REQUANTIZE) != 0,
                       .add = (params.flags & ACCEL_CONV2D_ACCUMULATE) != 0},
                      Activation(params.activation, params.alpha, params.beta)),
          weight_(arithmetic_.src1_bytes()),
          t_(execution.command.tensor),
          src_(t_.src0, params.src, params.batch, arithmetic_.src0_bytes()),
          dst_(t_.dst, params.dst, params.batch, arithmetic_.dst_bytes()),
          window_(params.window, params.src) {}

    [[nodiscard]] Status check() {
        if (Status status = arithmetic_.check(); status != ACCEL_OK) {
            return status;
        }
        if ((p_.flags & ~ACCEL_CONV2D_FLAGS) != 0 || p_.groups == 0 || p_.reserved0 != 0 ||
            !all_zero(p_.reserved1) || p_.src.channels % p_.groups != 0 ||
            p_.dst.channels % p_.groups != 0 ||
            (arithmetic_.channel_bytes() == 0 && t_.src2 != 0)) {
            return ACCEL_BAD_FIELD;
        }
        if (Status status = check_window(p_.window); status != ACCEL_OK) {
            return status;
        }
        depth_ = p_.src.channels / p_.groups;
        columns_ = p_.dst.channels / p_.groups;
        if (!aligned(t_.src1, weight_) || !aligned(t_.src2, sizeof(float))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        std::uint64_t weights = 0;
        if (__builtin_mul_overflow(window_.taps(), depth_, &k_) ||
            __builtin_mul_overflow(k_, p_.dst.channels * weight_, &weights)) {
            return ACCEL_BAD_SIZE;
        }
        for (const Status status :
             {src_.check(), check_extent(t_.src1, 1, 0, weights),
              check_extent(t_.src2, 1, 0, p_.dst.channels * arithmetic_.channel_bytes()),
              dst_.check()}) {
            if (status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status run() {
        if (p_.batch == 0 || p_.dst.height == 0 || p_.dst.width == 0 || p_.dst.channels == 0) {
            return ACCEL_OK;
        }
        if (depth_ == 1 && columns_ == 1) {
            return run_depthwise();
        }
        for (std::uint64_t group = 0; group < p_.groups; ++group) {
            for (std::uint64_t n = 0; n < columns_; n += block_columns) {
                const std::uint64_t columns = std::min(columns_ - n, block_columns);
                resident_ = 0;
                if (Status status = for_pieces(block_rows,
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
    // visit(image, y, x, count) for stretches of at most `most` results of a row.
    template <typename Visit>
    [[nodiscard]] Status for_pieces(std::uint64_t most, Visit&& visit) {
        for (std::uint64_t image = 0; image < p_.batch; ++image) {
            for (std::uint64_t y = 0; y < p_.dst.height; ++y) {
                for (std::uint64_t x = 0; x < p_.dst.width; x += most) {
                    if (Status status = visit(image, y, x, std::min(p_.dst.width - x, most));
                        status != ACCEL_OK) {
                        return status;
                    }
                }
            }
        }
        return ACCEL_OK;
    }

    // Results [x, x + count) of a row, from `channel` on.
    [[nodiscard]] Status finish(std::uint64_t image, std::uint64_t y, std::uint64_t x,
                                std::uint64_t count, std::uint64_t channel, std::uint64_t channels,
                                std::uint64_t width) {
        return arithmetic_.finish(t_.src2 + channel * arithmetic_.channel_bytes(),
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
        arithmetic_.begin(rows * width);
        const bool keep = k_ <= Scratch::panel_floats / width;
        for (std::uint64_t k = 0; k < k_; k += arithmetic_.depth()) {
            const std::uint64_t depth = std::min(k_ - k, arithmetic_.depth());
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
                                               arithmetic_.sums(), rows, width, depth);
                status != ACCEL_OK) {
                return status;
            }
            arithmetic_.collect(rows * width);
        }
        return finish(image, y, x, count, channel, columns, width);
    }

    [[nodiscard]] Status pack_weights(float* panel, std::uint64_t k, std::uint64_t depth,
                                      std::uint64_t channel, std::uint64_t columns) {
        float* const stage = scratch_.stage[0].get();
        const std::uint64_t stride = p_.dst.channels * weight_;
        const std::uint64_t most = Scratch::stage_floats / columns;
        for (std::uint64_t done = 0; done < depth;) {
            const std::uint64_t now = std::min(depth - done, most);
            if (Status status = arithmetic_.read1(t_.src1 + (k + done) * stride + channel * weight_,
                                                  stride, now, columns, stage);
                status != ACCEL_OK) {
                return status;
            }
            pack_along<tile_columns>(panel, done, now, stage, columns, depth);
            done += now;
        }
        return ACCEL_OK;
    }

    // Lines [x, x + count) of what results look at, k in [k, k + depth), into the tile of A.
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
            const Inside inside = window_.columns(x, count, tap % p_.window.width);
            if (window_.row(y, tap / p_.window.width, row) && inside.first < inside.last) {
                const std::uint64_t from =
                    src_.at(image, row, inside.column, group * depth_ + first);
                if (Status status = arithmetic_.read0(from, src_.pixel_bytes() * window_.step(),
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

    // ---- every channel by itself

    [[nodiscard]] Status run_depthwise() {
        constexpr std::uint64_t block_channels = 512;
        constexpr std::uint64_t results = Scratch::stage_floats / block_channels;
        static_assert(results * block_channels <= block_rows * block_columns);
        for (std::uint64_t channel = 0; channel < columns_ * p_.groups; channel += block_channels) {
            const std::uint64_t channels = std::min(p_.groups - channel, block_channels);
            if (Status status = for_pieces(results,
                                           [&](std::uint64_t image, std::uint64_t y,
                                               std::uint64_t x, std::uint64_t count) {
                                               return piece(channel, channels, image, y, x, count);
                                           });
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status piece(std::uint64_t channel, std::uint64_t channels, std::uint64_t image,
                               std::uint64_t y, std::uint64_t x, std::uint64_t count) {
        float* const sums = arithmetic_.sums();
        float* const stage = scratch_.stage[0].get();
        float* const weights = scratch_.stage[1].get();
        const FmaKernel kernel = fma_kernel();
        arithmetic_.begin(count * channels);
        for (std::uint64_t tap = 0; tap < window_.taps(); ++tap) {
            if (Status status = memory_.check(); status != ACCEL_OK) {
                return status;
            }
            const std::uint64_t at = t_.src1 + (tap * p_.dst.channels + channel) * weight_;
            if (Status status = arithmetic_.read1(at, 0, 1, channels, weights);
                status != ACCEL_OK) {
                return status;
            }
            // Outside, zeros take part.
            std::fill_n(stage, count * channels, 0.0F);
            std::uint64_t row = 0;
            const Inside inside = window_.columns(x, count, tap % p_.window.width);
            if (window_.row(y, tap / p_.window.width, row) && inside.first < inside.last) {
                if (Status status = arithmetic_.read0(src_.at(image, row, inside.column, channel),
                                                      src_.pixel_bytes() * window_.step(),
                                                      inside.last - inside.first, channels,
                                                      stage + inside.first * channels);
                    status != ACCEL_OK) {
                    return status;
                }
            }
            memory_.work(Work::macs, count * channels);
            for (std::uint64_t i = 0; i < count; ++i) {
                kernel(sums + i * channels, stage + i * channels, weights, channels);
            }
            if ((tap + 1) % arithmetic_.depth() == 0 || tap + 1 == window_.taps()) {
                arithmetic_.collect(count * channels);
            }
        }
        return finish(image, y, x, count, channel, channels, channels);
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_conv2d& p_;
    Arithmetic arithmetic_;
    const std::uint64_t weight_;  // bytes
    const accel_tensor& t_;
    Images src_;
    Images dst_;
    Window window_;
    std::uint64_t depth_ = 0;     // channels of a group of the source
    std::uint64_t columns_ = 0;   // and of the result
    std::uint64_t k_ = 0;         // taps times depth_
    std::uint64_t resident_ = 0;  // k below this is in the panel for the present columns
};

}  // namespace

Status run_conv2d(Execution& execution) {
    accel_conv2d params{};
    if (Status status = read_params(execution, &params, sizeof params); status != ACCEL_OK) {
        return status;
    }
    Conv2d conv(execution, params);
    if (Status status = conv.check(); status != ACCEL_OK) {
        return status;
    }
    return conv.run();
}

}  // namespace accel::card
