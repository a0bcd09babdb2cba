// SPDX-License-Identifier: Apache-2.0
//
// Reductions of constants along an axis.
#pragma once

#include "ir/program.hpp"

namespace accel::compiler {

/// The result, with the bits of the card. The operand is read part by part. Not for argmax and
/// argmin.
[[nodiscard]] TensorStorage reduced(const op::Reduce& reduction, const Tensor& from,
                                    const Value& result);

}  // namespace accel::compiler
