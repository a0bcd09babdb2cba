// SPDX-License-Identifier: Apache-2.0
//
// Conversion to the small types, as Cast and QuantizeLinear define it.
#pragma once

#include "frontend/operator_table.hpp"

namespace accel::compiler {

[[nodiscard]] constexpr bool is_float8(DataType type) {
    return type >= DataType::f8e4m3fn && type <= DataType::f8e5m2fnuz;
}

/// The largest number of a float of 8 bits.
[[nodiscard]] float largest_number(DataType type);

/// Converts f32 to a float of 8 bits. `saturate`: numbers that are too large become the largest
/// number, else an infinity or a NaN.
[[nodiscard]] ValueId to_float8(const Node& n, ValueId x, DataType type, bool saturate);

}  // namespace accel::compiler
