// SPDX-License-Identifier: GPL-2.0
//
// POOL: the largest, or the average, of what a window sees of each channel, f32.
#include <limits>

#include "image.hpp"
#include "math.hpp"

namespace accel::card {

namespace {

constexpr std::uint64_t block_channels = 512;
constexpr std::uint64_t results = Scratch::stage_floats / block_channels;
static_assert(results * block_channels <= Scratch::tile_floats);

class Pool {
  public:
    Pool(Execution& execution, const accel_pool& params)
        : memory_(execution.memory),
          scratch_(execution.scratch),
          p_(params),
          t_(execution.command.tensor),
          src_(t_.src0, params.src, params.batch),
          dst_(t_.dst, params.dst, params.batch),
          window_(params.window, params.src) {}

    [[nodiscard]] Status check() const {
        const bool average = p_.op == ACCEL_POOL_AVERAGE;
        if (p_.type != ACCEL_TYPE_F32 || p_.op > ACCEL_POOL_AVERAGE ||
            (p_.flags & ~(average ? ACCEL_POOL_FLAGS : 0U)) != 0 || !all_zero(p_.reserved0) ||
            !all_zero(p_.reserved1) || p_.src.channels != p_.dst.channels || t_.src1 != 0 ||
            t_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        for (const Status status : {check_window(p_.window), src_.check(), dst_.check()}) {
            if (status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

    [[nodiscard]] Status run() {
        if (p_.dst.height == 0 || p_.dst.width == 0 || p_.dst.channels == 0) {
            return ACCEL_OK;
        }
        for (std::uint64_t image = 0; image < p_.batch; ++image) {
            for (std::uint64_t y = 0; y < p_.dst.height; ++y) {
                for (std::uint64_t x = 0; x < p_.dst.width; x += results) {
                    for (std::uint64_t channel = 0; channel < p_.dst.channels;
                         channel += block_channels) {
                        if (Status status = piece(image, y, x, channel); status != ACCEL_OK) {
                            return status;
                        }
                    }
                }
            }
        }
        return ACCEL_OK;
    }

  private:
    [[nodiscard]] Status piece(std::uint64_t image, std::uint64_t y, std::uint64_t x,
                               std::uint64_t channel) {
        const std::uint64_t count = std::min(p_.dst.width - x, results);
        const std::uint64_t channels = std::min(p_.dst.channels - channel, block_channels);
        const bool average = p_.op == ACCEL_POOL_AVERAGE;
        float* const best = scratch_.tile[1].get();
        float* const stage = scratch_.stage[0].get();
        std::array<std::uint32_t, results> seen{};
        std::fill_n(best, count * channels,
                    average ? 0.0F : -std::numeric_limits<float>::infinity());
        for (std::uint64_t tap = 0; tap < window_.taps(); ++tap) {
            if (Status status = memory_.check(); status != ACCEL_OK) {
                return status;
            }
            std::uint64_t row = 0;
            const Inside inside = window_.columns(x, count, tap % p_.window.width);
            if (!window_.row(y, tap / p_.window.width, row) || inside.first >= inside.last) {
                continue;
            }
            if (Status status =
                    memory_.read_rows(src_.at(image, row, inside.column, channel),
                                      src_.pixel_bytes() * window_.step(),
                                      inside.last - inside.first, channels * sizeof(float), stage);
                status != ACCEL_OK) {
                return status;
            }
            memory_.work(Work::elements, (inside.last - inside.first) * channels);
            take(best, stage, seen, inside, channels, average);
        }
        if (average) {
            divide(best, seen, count, channels);
        }
        return memory_.write_rows(dst_.at(image, y, x, channel), dst_.pixel_bytes(), count,
                                  channels * sizeof(float), best);
    }

    static void take(float* best, const float* in, std::array<std::uint32_t, results>& seen,
                     const Inside& inside, std::uint64_t channels, bool average) {
        for (std::uint64_t i = inside.first; i < inside.last; ++i) {
            float* const out = best + i * channels;
            const bool first = seen[i]++ == 0;
            for (std::uint64_t c = 0; c < channels; ++c, ++in) {
                // As REDUCE: MAX begins with the first, so that a NaN there stays.
                out[c] = average ? out[c] + *in : first ? *in : maximum(out[c], *in);
            }
        }
    }

    void divide(float* sums, const std::array<std::uint32_t, results>& seen, std::uint64_t count,
                std::uint64_t channels) {
        memory_.work(Work::specials, count * channels);
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t taps =
                (p_.flags & ACCEL_POOL_COUNT_OUTSIDE) != 0 ? window_.taps() : seen[i];
            for (std::uint64_t c = 0; c < channels && taps != 0; ++c) {
                sums[i * channels + c] /= static_cast<float>(taps);
            }
        }
    }

    Memory& memory_;
    Scratch& scratch_;
    const accel_pool& p_;
    const accel_tensor& t_;
    Images src_;
    Images dst_;
    Window window_;
};

}  // namespace

Status run_pool(Execution& execution) {
    accel_pool params{};
    if (Status status = read_params(execution, &params, sizeof params); status != ACCEL_OK) {
        return status;
    }
    Pool pool(execution, params);
    if (Status status = pool.check(); status != ACCEL_OK) {
        return status;
    }
    return pool.run();
}

}  // namespace accel::card
