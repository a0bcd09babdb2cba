// SPDX-License-Identifier: GPL-2.0
//
// REDUCE: sum, product, mean, extreme, or the place of the extreme, over the middle axis.
#include "reduce.hpp"

#include "math.hpp"

namespace accel::card {

Status read_axis(Execution& execution, accel_reduce& params) {
    if (Status status = read_params(execution, &params, sizeof params); status != ACCEL_OK) {
        return status;
    }
    const accel_tensor& tensor = execution.command.tensor;
    if (params.type != ACCEL_TYPE_F32 || params.reserved0 != 0 || !all_zero(params.reserved1) ||
        tensor.src1 != 0 || tensor.src2 != 0) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(tensor.dst, sizeof(float)) || !aligned(tensor.src0, sizeof(float))) {
        return ACCEL_BAD_ALIGNMENT;
    }
    std::uint64_t row = 0;
    if (params.outer == 0 || params.n == 0 || params.inner == 0) {
        return ACCEL_OK;
    }
    if (__builtin_mul_overflow(params.inner * sizeof(float), std::uint64_t{params.n}, &row)) {
        return ACCEL_BAD_SIZE;
    }
    return check_extent(tensor.src0, params.outer, row, row);
}

namespace {

// Running values of a group of columns.
struct Best {
    float* values;
    std::uint32_t* places;
};

template <typename Better>
void follow(const Best& best, std::uint64_t first, std::uint64_t rows, std::uint64_t columns,
            const float* in, Better&& better) {
    for (std::uint64_t row = 0; row < rows; ++row) {
        for (std::uint64_t c = 0; c < columns; ++c, ++in) {
            if (first + row == 0 || better(*in, best.values[c])) {
                best.values[c] = *in;
                best.places[c] = static_cast<std::uint32_t>(first + row);
            }
        }
    }
}

}  // namespace

Status run_reduce(Execution& execution) {
    accel_reduce p{};
    if (Status status = read_axis(execution, p); status != ACCEL_OK) {
        return status;
    }
    if (p.op > ACCEL_REDUCE_MEAN) {
        return ACCEL_BAD_FIELD;
    }
    const std::uint64_t dst = execution.command.tensor.dst;
    if (p.n == 0) {
        return ACCEL_BAD_SIZE;
    }
    if (p.outer == 0 || p.inner == 0) {
        return ACCEL_OK;  // not even a loop: nothing in it would look whether to stop
    }
    if (Status status =
            check_extent(dst, p.outer, p.inner * sizeof(float), p.inner * sizeof(float));
        status != ACCEL_OK) {
        return status;
    }
    Axis axis(execution, p);
    const Best best{execution.scratch.stage[1].get(),
                    reinterpret_cast<std::uint32_t*>(execution.scratch.stage[2].get())};
    const bool place = p.op == ACCEL_REDUCE_ARGMAX || p.op == ACCEL_REDUCE_ARGMIN;
    const bool least = p.op == ACCEL_REDUCE_MIN || p.op == ACCEL_REDUCE_ARGMIN;
    return axis.for_each_group([&](std::uint64_t outer, std::uint64_t column,
                                   std::uint64_t columns) -> Status {
        std::fill_n(best.values, columns, p.op == ACCEL_REDUCE_PRODUCT ? 1.0F : 0.0F);
        const auto visit = [&](std::uint64_t first, std::uint64_t rows, const float* in) -> Status {
            execution.memory.work(Work::elements, rows * columns);
            if (p.op == ACCEL_REDUCE_SUM || p.op == ACCEL_REDUCE_MEAN) {
                for (std::uint64_t row = 0; row < rows; ++row) {
                    for (std::uint64_t c = 0; c < columns; ++c) {
                        best.values[c] = best.values[c] + *in++;
                    }
                }
            } else if (p.op == ACCEL_REDUCE_PRODUCT) {
                for (std::uint64_t row = 0; row < rows; ++row) {
                    for (std::uint64_t c = 0; c < columns; ++c) {
                        best.values[c] = best.values[c] * *in++;
                    }
                }
            } else if (least) {
                follow(best, first, rows, columns, in, [](float b, float a) { return b < a; });
            } else {
                follow(best, first, rows, columns, in, [](float b, float a) { return b > a; });
            }
            return ACCEL_OK;
        };
        if (Status status = axis.walk(outer, column, columns, visit); status != ACCEL_OK) {
            return status;
        }
        if (p.op == ACCEL_REDUCE_MEAN) {
            for (std::uint64_t c = 0; c < columns; ++c) {
                best.values[c] = best.values[c] / static_cast<float>(p.n);
            }
        }
        const void* const result = place ? static_cast<const void*>(best.places) : best.values;
        return execution.memory.write(dst + (outer * p.inner + column) * sizeof(float), result,
                                      columns * sizeof(float));
    });
}

}  // namespace accel::card
