// SPDX-License-Identifier: GPL-2.0
//
// CONV2D: D = act(sum over taps and channels of S * W + bias), f32.
//
// A row of results is a piece of a GEMM whose A is never there as a whole: line x of it is what
// result x looks at, in the order of the weights, with zeros outside the image. It is gathered tap
// by tap into the tiles that the kernel of GEMM takes. Where every channel has a weight of its own
// there is no sum over channels, and vectors run along them instead.
#include "fma_kernel.hpp"
#include "gemm_block.hpp"
#include "image.hpp"

namespace accel::card {

namespace {

class Conv2d {
  public:
    Conv2d(Execution& execution, const accel_conv2d& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          activation_(params.activation, params.alpha, params.beta),
          t_(execution.command.tensor),
          src_(t_.src0, params.src, params.batch),
          dst_(t_.dst, params.dst, params.batch),
          window_(params.window, params.src) {}

    [[nodiscard]] Status check() {
        if (p_.type != ACCEL_TYPE_F32 || !activation_.valid() ||
            (p_.flags & ~ACCEL_CONV2D_FLAGS) != 0 || p_.groups == 0 || !all_zero(p_.reserved0) ||
            !all_zero(p_.reserved1) || p_.src.channels % p_.groups != 0 ||
            p_.dst.channels % p_.groups != 0 || (!has_bias() && t_.src2 != 0)) {
            return ACCEL_BAD_FIELD;
        }
        if (Status status = check_window(p_.window); status != ACCEL_OK) {
            return status;
        }
        depth_ = p_.src.channels / p_.groups;
        columns_ = p_.dst.channels / p_.groups;
        if (!aligned(t_.src1, sizeof(float)) || !aligned(t_.src2, sizeof(float))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        uint64_t weights = 0;
        if (__builtin_mul_overflow(window_.taps(), depth_, &k_) ||
            __builtin_mul_overflow(k_, p_.dst.channels * sizeof(float), &weights)) {
            return ACCEL_BAD_SIZE;
        }
        for (const Status status :
             {src_.check(), check_extent(t_.src1, 1, 0, weights),
              check_extent(t_.src2, has_bias() ? 1 : 0, 0, p_.dst.channels * sizeof(float)),
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
        for (uint64_t group = 0; group < p_.groups; ++group) {
            for (uint64_t n = 0; n < columns_; n += kBlockColumns) {
                const uint64_t columns = std::min(columns_ - n, kBlockColumns);
                resident_ = 0;
                if (Status status =
                        for_pieces(kBlockRows,
                                   [&](uint64_t image, uint64_t y, uint64_t x, uint64_t count) {
                                       return block(group, n, columns, image, y, x, count);
                                   });
                    status != ACCEL_OK) {
                    return status;
                }
            }
        }
        return ACCEL_OK;
    }

  private:
    [[nodiscard]] bool has_bias() const { return (p_.flags & ACCEL_CONV2D_BIAS) != 0; }

    // visit(image, y, x, count) for stretches of at most `most` results of a row.
    template <typename Visit>
    [[nodiscard]] Status for_pieces(uint64_t most, Visit&& visit) {
        for (uint64_t image = 0; image < p_.batch; ++image) {
            for (uint64_t y = 0; y < p_.dst.height; ++y) {
                for (uint64_t x = 0; x < p_.dst.width; x += most) {
                    if (Status status = visit(image, y, x, std::min(p_.dst.width - x, most));
                        status != ACCEL_OK) {
                        return status;
                    }
                }
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status load_bias(uint64_t channel, uint64_t count, float* bias) {
        return has_bias()
                   ? memory_.read(t_.src2 + channel * sizeof(float), bias, count * sizeof(float))
                   : Status{ACCEL_OK};
    }

    // ---- the general case

    [[nodiscard]] Status block(uint64_t group, uint64_t n, uint64_t columns, uint64_t image,
                               uint64_t y, uint64_t x, uint64_t count) {
        const uint64_t width = round_up(columns, kTileColumns);
        const uint64_t rows = round_up(count, kTileRows);
        const uint64_t channel = group * columns_ + n;
        float* const sums = scratch_.tile[1].get();
        std::fill_n(sums, rows * width, 0.0F);
        const bool keep = k_ <= Scratch::kPanelFloats / width;
        for (uint64_t k = 0; k < k_; k += kBlockDepth) {
            const uint64_t depth = std::min(k_ - k, kBlockDepth);
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
            if (Status status = multiply_block(memory_, scratch_.tile[0].get(), panel, sums, rows,
                                               width, depth);
                status != ACCEL_OK) {
                return status;
            }
        }
        float* const bias = scratch_.stage[1].get();
        if (Status status = load_bias(channel, columns, bias); status != ACCEL_OK) {
            return status;
        }
        finish_block(memory_, sums, count, columns, width, has_bias() ? bias : nullptr,
                     activation_);
        return memory_.write_rows(dst_.at(image, y, x, channel), dst_.pixel_bytes(), count,
                                  columns * sizeof(float), sums);
    }

    [[nodiscard]] Status pack_weights(float* panel, uint64_t k, uint64_t depth, uint64_t channel,
                                      uint64_t columns) {
        float* const stage = scratch_.stage[0].get();
        const uint64_t stride = uint64_t{p_.dst.channels} * sizeof(float);
        const uint64_t most = Scratch::kStageFloats / columns;
        for (uint64_t done = 0; done < depth;) {
            const uint64_t now = std::min(depth - done, most);
            if (Status status =
                    memory_.read_rows(t_.src1 + (k + done) * stride + channel * sizeof(float),
                                      stride, now, columns * sizeof(float), stage);
                status != ACCEL_OK) {
                return status;
            }
            pack_along<kTileColumns>(panel, done, now, stage, columns, depth);
            done += now;
        }
        return ACCEL_OK;
    }

    // Lines [x, x + count) of what results look at, k in [k, k + depth), into the tile of A.
    [[nodiscard]] Status pack_taps(uint64_t group, uint64_t image, uint64_t y, uint64_t x,
                                   uint64_t count, uint64_t k, uint64_t depth) {
        constexpr uint64_t kChannels = Scratch::kStageFloats / kBlockRows;
        float* const tile = scratch_.tile[0].get();
        float* const stage = scratch_.stage[0].get();
        std::fill_n(tile, round_up(count, kTileRows) * depth, 0.0F);
        for (uint64_t done = 0; done < depth;) {
            const uint64_t tap = (k + done) / depth_;
            const uint64_t first = (k + done) % depth_;
            const uint64_t now = std::min({depth - done, depth_ - first, kChannels});
            uint64_t row = 0;
            const Inside inside = window_.columns(x, count, tap % p_.window.width);
            if (window_.row(y, tap / p_.window.width, row) && inside.first < inside.last) {
                const uint64_t from = src_.at(image, row, inside.column, group * depth_ + first);
                if (Status status =
                        memory_.read_rows(from, src_.pixel_bytes() * window_.step(),
                                          inside.last - inside.first, now * sizeof(float), stage);
                    status != ACCEL_OK) {
                    return status;
                }
                const float* in = stage;
                for (uint64_t line = inside.first; line < inside.last; ++line) {
                    float* out = tile + line / kTileRows * kTileRows * depth + done * kTileRows +
                                 line % kTileRows;
                    for (uint64_t i = 0; i < now; ++i, out += kTileRows) {
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
        constexpr uint64_t kChannels = 512;
        constexpr uint64_t kResults = Scratch::kStageFloats / kChannels;
        static_assert(kResults * kChannels <= Scratch::kTileFloats);
        for (uint64_t channel = 0; channel < columns_ * p_.groups; channel += kChannels) {
            const uint64_t channels = std::min(p_.groups - channel, kChannels);
            if (Status status =
                    for_pieces(kResults,
                               [&](uint64_t image, uint64_t y, uint64_t x, uint64_t count) {
                                   return piece(channel, channels, image, y, x, count);
                               });
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status piece(uint64_t channel, uint64_t channels, uint64_t image, uint64_t y,
                               uint64_t x, uint64_t count) {
        float* const sums = scratch_.tile[1].get();
        float* const stage = scratch_.stage[0].get();
        float* const weights = scratch_.stage[1].get();
        const FmaKernel kernel = fma_kernel();
        std::fill_n(sums, count * channels, 0.0F);
        for (uint64_t tap = 0; tap < window_.taps(); ++tap) {
            if (Status status = memory_.check(); status != ACCEL_OK) {
                return status;
            }
            const uint64_t at = t_.src1 + (tap * p_.dst.channels + channel) * sizeof(float);
            if (Status status = memory_.read(at, weights, channels * sizeof(float));
                status != ACCEL_OK) {
                return status;
            }
            // Outside, zeros take part.
            std::fill_n(stage, count * channels, 0.0F);
            uint64_t row = 0;
            const Inside inside = window_.columns(x, count, tap % p_.window.width);
            if (window_.row(y, tap / p_.window.width, row) && inside.first < inside.last) {
                if (Status status = memory_.read_rows(
                        src_.at(image, row, inside.column, channel),
                        src_.pixel_bytes() * window_.step(), inside.last - inside.first,
                        channels * sizeof(float), stage + inside.first * channels);
                    status != ACCEL_OK) {
                    return status;
                }
            }
            memory_.work(Work::macs, count * channels);
            for (uint64_t i = 0; i < count; ++i) {
                kernel(sums + i * channels, stage + i * channels, weights, channels);
            }
        }
        if (Status status = load_bias(channel, channels, weights); status != ACCEL_OK) {
            return status;
        }
        finish_block(memory_, sums, count, channels, channels, has_bias() ? weights : nullptr,
                     activation_);
        return memory_.write_rows(dst_.at(image, y, x, channel), dst_.pixel_bytes(), count,
                                  channels * sizeof(float), sums);
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_conv2d& p_;
    const Activation activation_;
    const accel_tensor& t_;
    Images src_;
    Images dst_;
    Window window_;
    uint64_t depth_ = 0;     // channels of a group of the source
    uint64_t columns_ = 0;   // and of the result
    uint64_t k_ = 0;         // taps times depth_
    uint64_t resident_ = 0;  // k below this is in the panel for the present columns
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
