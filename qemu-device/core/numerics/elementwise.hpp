// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The operations of ELEMENTWISE over many values, as section 6 of the data sheet specifies them.
#pragma once

#include <cstdint>

namespace accel::card {

// a[i] = op(a[i], b[i]), for ACCEL_EW_SELECT op(a[i], b[i], c[i]). An operation does not read the
// operands that it has not.
void apply_elementwise(std::uint8_t op, float* a, const float* b, const float* c,
                       std::uint64_t count);
void apply_elementwise(std::uint8_t op, std::int64_t* a, const std::int64_t* b,
                       const std::int64_t* c, std::uint64_t count);

}  // namespace accel::card
