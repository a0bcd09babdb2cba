// SPDX-License-Identifier: Apache-2.0
//
// Constant folding of op::Scatter, with the bits of the card's SCATTER.
#pragma once

#include "ir/program.hpp"

namespace accel::compiler {

/// Throws if an index is outside the axis.
[[nodiscard]] Constant fold_scatter(const op::Scatter& scatter, const Tensor& data,
                                    const Tensor& indices, const Tensor& updates);

}  // namespace accel::compiler
