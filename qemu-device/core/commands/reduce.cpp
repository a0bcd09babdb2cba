// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// REDUCE: the sum, product, mean or extreme value over the middle axis, or the index of the
// extreme.
#include <algorithm>
#include <limits>

#include "axis.hpp"

namespace accel::card {

namespace {

class Reduce {
  public:
    Reduce(Execution& execution, const accel_reduce& params)
        : memory_(execution.memory),
          execution_(execution),
          params_(params),
          axis_(execution, params),
          dst_(execution.command.tensor.dst),
          values_(execution.scratch.stage[1].get()),
          indices_(reinterpret_cast<std::uint32_t*>(execution.scratch.stage[2].get())) {}

    [[nodiscard]] Status check() const {
        if (Status status = check_axis(execution_, params_); status != ACCEL_OK) {
            return status;
        }
        if (params_.op > ACCEL_REDUCE_MEAN) {
            return ACCEL_BAD_FIELD;
        }
        if (params_.n == 0 && is_index()) {
            return ACCEL_BAD_SIZE;
        }
        if (params_.outer == 0 || params_.inner == 0) {
            return ACCEL_OK;
        }
        return check_extent(dst_, params_.outer, axis_.row_bytes(), axis_.row_bytes());
    }

    [[nodiscard]] Units units() {
        const Extent dst{.begin = dst_, .bytes = params_.outer * axis_.row_bytes()};
        return axis_.units(dst, false, 1.0);
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        return axis_.for_each_group(
            range, [this](std::uint64_t outer, std::uint64_t column, std::uint64_t columns) {
                return reduce(outer, column, columns);
            });
    }

  private:
    // Reduces a group of columns.
    [[nodiscard]] Status reduce(std::uint64_t outer, std::uint64_t column, std::uint64_t columns) {
        const auto op = params_.op;
        const bool least = op == ACCEL_REDUCE_MIN || op == ACCEL_REDUCE_ARGMIN;
        PairwiseReduction total(op == ACCEL_REDUCE_PRODUCT ? PairwiseReduction::Kind::product
                                                           : PairwiseReduction::Kind::sum,
                                columns, values_);
        if (op == ACCEL_REDUCE_MAX || op == ACCEL_REDUCE_MIN) {
            constexpr float infinity = std::numeric_limits<float>::infinity();
            const float identity = least ? infinity : -infinity;
            std::fill_n(values_, columns, identity);
        }
        const auto visit = [&](std::uint64_t first, std::uint64_t rows, const float* in) -> Status {
            memory_.work(Work::elements, rows * columns);
            if (is_pairwise()) {
                total.add(in, rows);
            } else if (is_index()) {
                reduce_indices(least, in, rows, columns, first, values_, indices_);
            } else {
                reduce_extremes(least, in, rows, columns, values_);
            }
            return ACCEL_OK;
        };
        if (Status status = axis_.walk(outer, column, columns, visit); status != ACCEL_OK) {
            return status;
        }
        if (is_pairwise()) {
            (void)total.finish();  // in values_
        }
        if (op == ACCEL_REDUCE_MEAN) {
            divide_values(values_, columns, static_cast<float>(params_.n));
        }
        const void* const result = is_index() ? static_cast<const void*>(indices_) : values_;
        return memory_.write(dst_ + (outer * params_.inner + column) * sizeof(float), result,
                             columns * sizeof(float));
    }

    [[nodiscard]] bool is_pairwise() const {
        return params_.op == ACCEL_REDUCE_SUM || params_.op == ACCEL_REDUCE_MEAN ||
               params_.op == ACCEL_REDUCE_PRODUCT;
    }
    [[nodiscard]] bool is_index() const {
        return params_.op == ACCEL_REDUCE_ARGMAX || params_.op == ACCEL_REDUCE_ARGMIN;
    }

    Memory& memory_;
    const Execution& execution_;
    const accel_reduce& params_;
    Axis axis_;
    const std::uint64_t dst_;
    // Running values of a group of columns.
    float* const values_;
    std::uint32_t* const indices_;
};

}  // namespace

Status run_reduce(Execution& execution) {
    return run_tensor_command<Reduce, accel_reduce>(execution);
}

}  // namespace accel::card
