// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The parameters and checks that SOFTMAX and REDUCE share.
#include "axis.hpp"

namespace accel::card {

Status check_axis(const Execution& execution, const accel_reduce& params) {
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

Units Axis::units(const Extent& dst, bool may_be_in_place, double nanoseconds) {
    if (params_.outer == 0 || params_.inner == 0) {
        return {};  // an empty loop could be long, and would not check whether to stop
    }
    const std::uint64_t rows = std::clamp<std::uint64_t>(params_.n, 1, block_rows);
    const std::uint64_t widest =
        std::clamp<std::uint64_t>(Scratch::stage_floats / rows, min_group, max_group);
    columns_ = widest;
    const Extent src{.begin = src_,
                     .bytes = std::uint64_t{params_.outer} * params_.n * row_bytes()};
    const bool in_place = may_be_in_place && dst.begin == src.begin;
    const bool independent = in_place || !dst.overlaps(src);
    const double total =
        static_cast<double>(params_.outer) * params_.n * params_.inner * nanoseconds;
    if (independent && threads_ > 1 && total >= min_shared_nanoseconds) {
        // Narrow groups, but not so narrow that reading them takes longer.
        constexpr std::uint64_t min_columns = 64;
        const std::uint64_t groups = divide_up(std::uint64_t{2} * threads_, params_.outer);
        columns_ = std::clamp(divide_up(params_.inner, groups), min_columns, widest);
    }
    groups_ = divide_up(params_.inner, columns_);
    const std::uint64_t count = params_.outer * groups_;
    short_rows_ = independent && params_.inner == 1 && params_.n != 0 && params_.n < block_rows;
    const double overhead = short_rows_ ? 0 : 50;
    return {.count = count,
            .nanoseconds = independent ? overhead + total / static_cast<double>(count) : 0,
            .cut_for_threads = columns_ != widest};
}

Status Axis::load_rows(std::uint64_t first, std::uint64_t count) {
    const Status status =
        memory_.read(src_ + offset(first, 0, 0), stage_, count * params_.n * sizeof(float));
    if (status == ACCEL_OK) {
        transpose_values(stage_, count, params_.n, turned_);
        loaded_ = true;
        are_turned_ = true;
    }
    return status;
}

}  // namespace accel::card
