// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// SOFTMAX over the middle axis, in three walks: for the maximum, the sum and the results. If the
// axis fits the stage, the exponentials are kept; otherwise they are computed twice.
#include <limits>

#include "axis.hpp"
#include "numerics/math.hpp"

namespace accel::card {

namespace {

void divide_rows(float* values, const float* divisors, std::uint64_t rows, std::uint64_t columns) {
    if (columns == 1) {
        divide_values(values, rows, *divisors);
        return;
    }
    for (std::uint64_t row = 0; row < rows; ++row, values += columns) {
        for (std::uint64_t c = 0; c < columns; ++c) {
            values[c] = values[c] / divisors[c];
        }
    }
}

class Softmax {
  public:
    Softmax(Execution& execution, const accel_reduce& params)
        : memory_(execution.memory),
          execution_(execution),
          params_(params),
          axis_(execution, params),
          dst_(execution.command.tensor.dst),
          peak_(execution.scratch.stage[1].get()),
          sum_(execution.scratch.stage[2].get()) {}

    [[nodiscard]] Status check() const {
        if (Status status = check_axis(execution_, params_); status != ACCEL_OK) {
            return status;
        }
        if (params_.op != 0) {
            return ACCEL_BAD_FIELD;
        }
        return empty() ? ACCEL_OK : check_extent(dst_, params_.outer, outer_bytes(), outer_bytes());
    }

    [[nodiscard]] Units units() {
        const Extent dst{.begin = dst_, .bytes = params_.outer * outer_bytes()};
        return empty() ? Units{} : axis_.units(dst, true, 2.0);
    }

    [[nodiscard]] Status run(const UnitRange& range) {
        return axis_.for_each_group(
            range, [this](std::uint64_t outer, std::uint64_t column, std::uint64_t columns) {
                return group(outer, column, columns);
            });
    }

  private:
    [[nodiscard]] bool empty() const {
        return params_.outer == 0 || params_.n == 0 || params_.inner == 0;
    }
    [[nodiscard]] std::uint64_t outer_bytes() const { return axis_.row_bytes() * params_.n; }

    [[nodiscard]] Status group(std::uint64_t outer, std::uint64_t column, std::uint64_t columns) {
        PairwiseReduction sum(PairwiseReduction::Kind::sum, columns, sum_);
        const auto find_peak = [&](std::uint64_t /*first*/, std::uint64_t rows,
                                   const float* values) -> Status {
            memory_.work(Work::elements, rows * columns);
            reduce_extremes(false, values, rows, columns, peak_);
            return ACCEL_OK;
        };
        const auto add_up = [&](std::uint64_t /*first*/, std::uint64_t rows,
                                float* values) -> Status {
            memory_.work(Work::specials, rows * columns);
            exponentials(values, rows, columns, peak_);
            sum.add(values, rows);
            return ACCEL_OK;
        };
        const auto divide = [&](std::uint64_t first, std::uint64_t rows, float* values) -> Status {
            memory_.work(Work::specials, 2 * rows * columns);
            if (rows != params_.n) {  // the stage holds inputs again, not exponentials
                exponentials(values, rows, columns, peak_);
            }
            divide_rows(values, sum_, rows, columns);
            return axis_.write(dst_, outer, first, column, rows, columns, values);
        };
        std::fill_n(peak_, columns, -std::numeric_limits<float>::infinity());
        if (Status status = axis_.walk(outer, column, columns, find_peak); status != ACCEL_OK) {
            return status;
        }
        if (Status status = axis_.walk(outer, column, columns, add_up); status != ACCEL_OK) {
            return status;
        }
        (void)sum.finish();  // in sum_
        return axis_.walk(outer, column, columns, divide);
    }

    Memory& memory_;
    const Execution& execution_;
    const accel_reduce& params_;
    Axis axis_;
    const std::uint64_t dst_;
    // Of a group of columns.
    float* const peak_;
    float* const sum_;
};

}  // namespace

Status run_softmax(Execution& execution) {
    return run_tensor_command<Softmax, accel_reduce>(execution);
}

}  // namespace accel::card
