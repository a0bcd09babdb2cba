// SPDX-License-Identifier: Apache-2.0
//
// Constant folding: the compiler computes instructions whose operands are constants.
#pragma once

#include <vector>

#include "ir/program.hpp"

namespace accel::compiler {

/// The result of an operation on constants. `result` gives its type and shape. Null if the
/// operation is left to the card. A large result is computed when something reads its elements.
[[nodiscard]] Constant fold_constant(const Operation& operation,
                                     const std::vector<Constant>& operands, const Value& result);

}  // namespace accel::compiler
