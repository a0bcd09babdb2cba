// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// POOL: the maximum or the average of each channel within a sliding window, in f32.
#include <limits>

#include "block_sums.hpp"
#include "gemm_kernel.hpp"
#include "image.hpp"

namespace accel::card {

namespace {

constexpr std::uint64_t block_channels = 512;
constexpr std::uint64_t block_results = Scratch::stage_floats / block_channels;
static_assert(block_results * block_channels <= BlockSums::max_results);

class Pool {
  public:
    Pool(Execution& execution, const accel_pool& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          params_(params),
          tensor_(execution.command.tensor),
          src_(tensor_.src0, params.src, params.batch),
          dst_(tensor_.dst, params.dst, params.batch),
          window_(params.window, params.src) {}

    [[nodiscard]] Status check() const {
        const bool average = params_.op == ACCEL_POOL_AVERAGE;
        if (params_.type != ACCEL_TYPE_F32 || params_.op > ACCEL_POOL_AVERAGE ||
            (params_.flags & ~(average ? ACCEL_POOL_FLAGS : 0U)) != 0 ||
            !all_zero(params_.reserved0) || !all_zero(params_.reserved1) ||
            params_.src.channels != params_.dst.channels || tensor_.src1 != 0 ||
            tensor_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        return first_failure({check_window(params_.window), src_.check(), dst_.check()});
    }

    // A unit is a block of channels of a block of results.
    [[nodiscard]] Units units() const {
        const RowBlocks blocks(params_.batch, params_.dst, block_results);
        const bool independent =
            dst_.has_distinct_elements() && !dst_.extent().overlaps(src_.extent());
        const double values =
            static_cast<double>(std::min<std::uint64_t>(params_.dst.width, block_results)) *
            static_cast<double>(std::min<std::uint64_t>(params_.dst.channels, block_channels));
        return {.count = saturated_product(blocks.count(), channel_blocks()),
                .nanoseconds = independent ? values * static_cast<double>(window_.taps()) : 0};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        const RowBlocks blocks(params_.batch, params_.dst, block_results);
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            if (Status status = block(blocks[unit / channel_blocks()],
                                      unit % channel_blocks() * block_channels);
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    [[nodiscard]] std::uint64_t channel_blocks() const {
        return divide_up(params_.dst.channels, block_channels);
    }

    [[nodiscard]] Status block(const RowBlock& results, std::uint64_t channel) {
        const std::uint64_t count = results.count;
        const std::uint64_t channels = std::min(params_.dst.channels - channel, block_channels);
        const bool average = params_.op == ACCEL_POOL_AVERAGE;
        BlockSums sums(scratch_);
        float* pooled = sums.next();
        float* const stage = scratch_.stage[0].get();
        std::array<std::uint32_t, block_results> taps_inside{};
        if (!average) {
            std::fill_n(pooled, count * channels, -std::numeric_limits<float>::infinity());
        }
        for (std::uint64_t tap = 0; tap < window_.taps(); ++tap) {
            if (Status status = memory_.check(); status != ACCEL_OK) {
                return status;
            }
            if (average && tap % chain_length == 0) {
                if (tap != 0) {
                    sums.add(count * channels);
                }
                pooled = sums.next();
                std::fill_n(pooled, count * channels, 0.0F);
            }
            std::uint64_t row = 0;
            const InsideRange inside =
                window_.columns(results.x, count, tap % params_.window.width);
            if (!window_.row(results.y, tap / params_.window.width, row) ||
                inside.first >= inside.last) {
                continue;
            }
            if (Status status =
                    memory_.read_rows(src_.at(results.image, row, inside.column, channel),
                                      src_.pixel_bytes() * window_.step(),
                                      inside.last - inside.first, channels * sizeof(float), stage);
                status != ACCEL_OK) {
                return status;
            }
            memory_.work(Work::elements, (inside.last - inside.first) * channels);
            float* const out = pooled + inside.first * channels;
            const std::uint64_t values = (inside.last - inside.first) * channels;
            if (average) {
                add_values(out, stage, values);
                for (std::uint64_t i = inside.first; i < inside.last; ++i) {
                    ++taps_inside[i];
                }
            } else {
                take_maxima(out, stage, values);
            }
        }
        if (average) {
            sums.add(count * channels);
            pooled = sums.finish(count * channels);
            divide(pooled, taps_inside, count, channels);
        }
        return memory_.write_rows(dst_.at(results.image, results.y, results.x, channel),
                                  dst_.pixel_bytes(), count, channels * sizeof(float), pooled);
    }

    using TapCounts = std::array<std::uint32_t, block_results>;  // for each result of a block

    void divide(float* sums, const TapCounts& taps_inside, std::uint64_t count,
                std::uint64_t channels) {
        memory_.work(Work::specials, count * channels);
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t taps = (params_.flags & ACCEL_POOL_COUNT_INCLUDE_PAD) != 0
                                           ? window_.taps()
                                           : taps_inside[i];
            if (taps != 0) {
                divide_values(sums + i * channels, channels, static_cast<float>(taps));
            }
        }
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_pool& params_;
    const accel_tensor& tensor_;
    ImageBatch src_;
    ImageBatch dst_;
    SlidingWindow window_;
};

}  // namespace

Status run_pool(Execution& execution) {
    return run_tensor_command<Pool, accel_pool>(execution);
}

}  // namespace accel::card
