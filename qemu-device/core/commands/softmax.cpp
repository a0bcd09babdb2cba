// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// SOFTMAX over the middle axis, in three walks: for the maximum, the sum and the results. If the
// axis fits the stage, the exponentials are kept; otherwise they are computed twice.
#include "axis.hpp"
#include "math.hpp"

namespace accel::card {

namespace {

// total[c] = combine(total[c], value) for every row. A single column has its total in a register.
template <typename Combine>
void gather_rows(float* total, const float* values, std::uint64_t rows, std::uint64_t columns,
                 Combine&& combine) {
    if (columns == 1) {
        float one = *total;
        for (std::uint64_t row = 0; row < rows; ++row) {
            one = combine(one, values[row]);
        }
        *total = one;
        return;
    }
    for (std::uint64_t row = 0; row < rows; ++row, values += columns) {
        for (std::uint64_t c = 0; c < columns; ++c) {
            total[c] = combine(total[c], values[c]);
        }
    }
}

void divide_rows(float* values, const float* divisors, std::uint64_t rows, std::uint64_t columns) {
    if (columns == 1) {
        const float divisor = *divisors;
        for (std::uint64_t row = 0; row < rows; ++row) {
            values[row] = values[row] / divisor;
        }
        return;
    }
    for (std::uint64_t row = 0; row < rows; ++row, values += columns) {
        for (std::uint64_t c = 0; c < columns; ++c) {
            values[c] = values[c] / divisors[c];
        }
    }
}

}  // namespace

Status run_softmax(Execution& execution) {
    accel_reduce p{};
    if (Status status = read_axis(execution, p); status != ACCEL_OK) {
        return status;
    }
    if (p.op != 0) {
        return ACCEL_BAD_FIELD;
    }
    if (p.outer == 0 || p.n == 0 || p.inner == 0) {
        return ACCEL_OK;  // an empty loop could be long, and would not check whether to stop
    }
    const std::uint64_t dst = execution.command.tensor.dst;
    const std::uint64_t row_bytes = std::uint64_t{p.inner} * p.n * sizeof(float);
    if (Status status = check_extent(dst, p.outer, row_bytes, row_bytes); status != ACCEL_OK) {
        return status;
    }
    Axis axis(execution, p);
    float* const peak = execution.scratch.stage[1].get();
    float* const sum = execution.scratch.stage[2].get();
    return axis.for_each_group([&](std::uint64_t outer, std::uint64_t column,
                                   std::uint64_t columns) -> Status {
        const auto find_peak = [&](std::uint64_t first, std::uint64_t rows,
                                   const float* values) -> Status {
            execution.memory.work(Work::elements, rows * columns);
            if (first == 0) {
                std::copy_n(values, columns, peak);
            }
            gather_rows(peak, values, rows, columns, maximum);
            return ACCEL_OK;
        };
        const auto add_up = [&](std::uint64_t /*first*/, std::uint64_t rows,
                                float* values) -> Status {
            execution.memory.work(Work::specials, rows * columns);
            exponentials(values, rows, columns, peak);
            gather_rows(sum, values, rows, columns, [](float a, float b) { return a + b; });
            return ACCEL_OK;
        };
        const auto divide = [&](std::uint64_t first, std::uint64_t rows, float* values) -> Status {
            execution.memory.work(Work::specials, 2 * rows * columns);
            if (rows != p.n) {  // the stage holds inputs again, not exponentials
                exponentials(values, rows, columns, peak);
            }
            divide_rows(values, sum, rows, columns);
            return execution.memory.write_rows(dst + axis.offset(outer, first, column),
                                               axis.row_bytes(), rows, columns * sizeof(float),
                                               values);
        };
        std::fill_n(sum, columns, 0.0F);
        if (Status status = axis.walk(outer, column, columns, find_peak); status != ACCEL_OK) {
            return status;
        }
        if (Status status = axis.walk(outer, column, columns, add_up); status != ACCEL_OK) {
            return status;
        }
        return axis.walk(outer, column, columns, divide);
    });
}

}  // namespace accel::card
