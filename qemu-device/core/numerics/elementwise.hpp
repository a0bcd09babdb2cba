// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The operations of ELEMENTWISE over many values, as section 6 of the data sheet specifies them.
#pragma once

#include <cstdint>

#include "accel_hw.h"

namespace accel::card {

// a[i] = op(a[i], b[i]), for ACCEL_EW_SELECT op(a[i], b[i], c[i]). An operation does not read the
// operands that it has not.
void apply_elementwise(std::uint8_t op, float* a, const float* b, const float* c,
                       std::uint64_t count);
void apply_elementwise(std::uint8_t op, std::int64_t* a, const std::int64_t* b,
                       const std::int64_t* c, std::uint64_t count);

// The operation that combines an element with an update of SCATTER, unless that is
// ACCEL_SCATTER_SET.
[[nodiscard]] constexpr std::uint8_t update_operation(std::uint8_t scatter_op) {
    switch (scatter_op) {
        case ACCEL_SCATTER_ADD:
            return ACCEL_EW_ADD;
        case ACCEL_SCATTER_MUL:
            return ACCEL_EW_MUL;
        case ACCEL_SCATTER_MIN:
            return ACCEL_EW_MIN;
        default:
            return ACCEL_EW_MAX;
    }
}

}  // namespace accel::card
