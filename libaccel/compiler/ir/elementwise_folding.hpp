// SPDX-License-Identifier: Apache-2.0
//
// Element-wise operations on constants, computed part by part.
#pragma once

#include <vector>

#include "ir/program.hpp"

namespace accel::compiler {

/// Computes parts of the result, with the bits of the card.
[[nodiscard]] PartReader read_elementwise(const op::Elementwise& operation,
                                          const std::vector<Constant>& operands,
                                          const Value& result);

}  // namespace accel::compiler
