// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// RESIZE along the middle axis: each result is a weighted sum of a few slices. A table holds the
// indices and weights of these slices, so one command serves nearest, linear and cubic
// interpolation with every rule for coordinates.
#include <algorithm>
#include <bit>

#include "block_sums.hpp"
#include "fma_kernel.hpp"
#include "gemm_kernel.hpp"
#include "units.hpp"

namespace accel::card {

namespace {

class Resize {
  public:
    Resize(Execution& execution, const accel_resize& params)
        : memory_(execution.memory),
          params_(params),
          tensor_(execution.command.tensor),
          sums_(execution.scratch),
          slice_(execution.scratch.stage[1].get()),
          weights_(execution.scratch.stage[2].get()) {}

    [[nodiscard]] Status check() const {
        if (params_.type != ACCEL_TYPE_F32 || params_.reserved0 != 0 ||
            !all_zero(params_.reserved1) || tensor_.src2 != 0) {
            return ACCEL_BAD_FIELD;
        }
        if (!aligned(tensor_.dst, sizeof(float)) || !aligned(tensor_.src0, sizeof(float)) ||
            !aligned(tensor_.src1, sizeof(float))) {
            return ACCEL_BAD_ALIGNMENT;
        }
        if (empty()) {
            return ACCEL_OK;
        }
        const std::uint64_t row = std::uint64_t{params_.inner} * sizeof(float);
        const std::uint64_t table_row = params_.taps * sizeof(accel_resize_tap);
        std::uint64_t src = 0;
        std::uint64_t dst = 0;
        if (__builtin_mul_overflow(row, std::uint64_t{params_.n}, &src) ||
            __builtin_mul_overflow(row, std::uint64_t{params_.count}, &dst)) {
            return ACCEL_BAD_SIZE;
        }
        return first_failure({check_extent(tensor_.dst, params_.outer, dst, dst),
                              check_extent(tensor_.src0, params_.outer, src, src),
                              check_extent(tensor_.src1, params_.count, table_row, table_row)});
    }

    // A unit is a stage of results of a slice.
    [[nodiscard]] Units units() const {
        if (empty()) {
            return {};
        }
        const std::uint64_t slices = std::uint64_t{params_.outer} * params_.count;
        const Extent dst{.begin = tensor_.dst, .bytes = slices * slice_bytes()};
        const Extent src{.begin = tensor_.src0,
                         .bytes = std::uint64_t{params_.outer} * params_.n * slice_bytes()};
        const Extent table{
            .begin = tensor_.src1,
            .bytes = std::uint64_t{params_.count} * params_.taps * sizeof(accel_resize_tap)};
        const bool independent = !dst.overlaps(src) && !dst.overlaps(table);
        const auto values =
            static_cast<double>(std::min<std::uint64_t>(params_.inner, Scratch::stage_floats));
        return {.count = slices * stages(),
                .nanoseconds = independent ? (50 + values) * params_.taps : 0};
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        for (std::uint64_t unit = range.first; unit < range.last; ++unit) {
            const std::uint64_t slice = unit / stages();
            if (Status status = block(slice / params_.count, slice % params_.count,
                                      unit % stages() * Scratch::stage_floats);
                status != ACCEL_OK) {
                return status;
            }
        }
        return ACCEL_OK;
    }

  private:
    [[nodiscard]] std::uint64_t slice_bytes() const {
        return std::uint64_t{params_.inner} * sizeof(float);
    }
    // Stages of a slice.
    [[nodiscard]] std::uint64_t stages() const {
        return divide_up(params_.inner, Scratch::stage_floats);
    }
    [[nodiscard]] bool empty() const {
        return params_.outer == 0 || params_.count == 0 || params_.inner == 0;
    }

    // Computes a stage of results of slice `i`, from `inner` on.
    [[nodiscard]] Status block(std::uint64_t outer, std::uint64_t i, std::uint64_t inner) {
        const std::uint64_t now =
            std::min<std::uint64_t>(params_.inner - inner, Scratch::stage_floats);
        if (Status status = memory_.check(); status != ACCEL_OK) {
            return status;
        }
        sums_.restart();
        for (std::uint64_t k = 0; k < params_.taps; ++k) {
            if (k % chain_length == 0) {
                std::fill_n(sums_.next(), now, 0.0F);
            }
            accel_resize_tap tap{};
            if (Status status = memory_.read(tensor_.src1 + (i * params_.taps + k) * sizeof tap,
                                             &tap, sizeof tap);
                status != ACCEL_OK) {
                return status;
            }
            if (tap.index >= params_.n) {
                return ACCEL_BAD_INDEX;
            }
            const std::uint64_t from = (outer * params_.n + tap.index) * params_.inner + inner;
            if (Status status =
                    memory_.read(tensor_.src0 + from * sizeof(float), slice_, now * sizeof(float));
                status != ACCEL_OK) {
                return status;
            }
            std::fill_n(weights_, now, std::bit_cast<float>(tap.weight));
            memory_.work(Work::macs, now);
            kernel_(sums_.next(), slice_, weights_, now);
            if ((k + 1) % chain_length == 0 || k + 1 == params_.taps) {
                sums_.add(now);
            }
        }
        const std::uint64_t to = (outer * params_.count + i) * params_.inner + inner;
        return memory_.write(tensor_.dst + to * sizeof(float), sums_.finish(now),
                             now * sizeof(float));
    }

    Memory& memory_;
    const accel_resize& params_;
    const accel_tensor& tensor_;
    BlockSums sums_;
    float* const slice_;
    float* const weights_;
    const FmaKernel kernel_ = fma_kernel();
};

}  // namespace

Status run_resize(Execution& execution) {
    return run_tensor_command<Resize, accel_resize>(execution);
}

}  // namespace accel::card
