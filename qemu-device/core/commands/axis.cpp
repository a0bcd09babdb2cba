// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The parameters and checks that SOFTMAX and REDUCE share.
#include "axis.hpp"

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

}  // namespace accel::card
