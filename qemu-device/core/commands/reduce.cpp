// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// REDUCE: the sum, product, mean or extreme value over the middle axis, or the index of the
// extreme.
#include <algorithm>

#include "axis.hpp"
#include "math.hpp"

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
        if (params_.n == 0) {
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
        std::fill_n(values_, columns, params_.op == ACCEL_REDUCE_PRODUCT ? 1.0F : 0.0F);
        const auto visit = [&](std::uint64_t first, std::uint64_t rows, const float* in) -> Status {
            memory_.work(Work::elements, rows * columns);
            accumulate(first, rows, columns, in);
            return ACCEL_OK;
        };
        if (Status status = axis_.walk(outer, column, columns, visit); status != ACCEL_OK) {
            return status;
        }
        if (params_.op == ACCEL_REDUCE_MEAN) {
            for (std::uint64_t c = 0; c < columns; ++c) {
                values_[c] = values_[c] / static_cast<float>(params_.n);
            }
        }
        const bool index = params_.op == ACCEL_REDUCE_ARGMAX || params_.op == ACCEL_REDUCE_ARGMIN;
        const void* const result = index ? static_cast<const void*>(indices_) : values_;
        return memory_.write(dst_ + (outer * params_.inner + column) * sizeof(float), result,
                             columns * sizeof(float));
    }

    // Adds rows [first, first + rows) of the axis to the running values.
    void accumulate(std::uint64_t first, std::uint64_t rows, std::uint64_t columns,
                    const float* in) {
        switch (params_.op) {
            case ACCEL_REDUCE_SUM:
            case ACCEL_REDUCE_MEAN:
                return combine(rows, columns, in, [](float a, float b) { return a + b; });
            case ACCEL_REDUCE_PRODUCT:
                return combine(rows, columns, in, [](float a, float b) { return a * b; });
            case ACCEL_REDUCE_MIN:
            case ACCEL_REDUCE_ARGMIN:
                return track(first, rows, columns, in, [](float b, float a) { return b < a; });
            default:
                return track(first, rows, columns, in, [](float b, float a) { return b > a; });
        }
    }

    template <typename Combine>
    void combine(std::uint64_t rows, std::uint64_t columns, const float* in,
                 Combine&& combination) {
        for (std::uint64_t row = 0; row < rows; ++row) {
            for (std::uint64_t c = 0; c < columns; ++c) {
                values_[c] = combination(values_[c], *in++);
            }
        }
    }

    // Keeps the extreme value of each column, and its index.
    template <typename Better>
    void track(std::uint64_t first, std::uint64_t rows, std::uint64_t columns, const float* in,
               Better&& better) {
        for (std::uint64_t row = 0; row < rows; ++row) {
            for (std::uint64_t c = 0; c < columns; ++c, ++in) {
                if (first + row == 0 || better(*in, values_[c])) {
                    values_[c] = *in;
                    indices_[c] = static_cast<std::uint32_t>(first + row);
                }
            }
        }
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
