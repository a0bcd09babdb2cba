// SPDX-License-Identifier: Apache-2.0
//
// The reduction of an axis without elements.
#pragma once

#include "ir/program.hpp"

namespace accel::compiler {

/// A scalar of the data type: 0 for a sum, 1 for a product, the least value for a maximum, the
/// largest for a minimum, NaN for a mean. Throws for a reduction that has no such value.
[[nodiscard]] Constant empty_reduction(ReduceOp op, DataType type);

}  // namespace accel::compiler
