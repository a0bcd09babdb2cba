// SPDX-License-Identifier: Apache-2.0
//
// Indices that an operator takes from a tensor, in the forms that GATHER and SCATTER take. They may
// be values of the run: the card then finds those that are out of range.
#pragma once

#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

/// The indices of the elements of a tensor with dimensions `lengths`, in row-major order. The last
/// dimension of `indices` has one index for each of `lengths`, and the result does not have that
/// dimension. A negative index counts from the end. If an index is out of range, the result is
/// above every index. `as_is`: a single index of each element may stay as it is.
[[nodiscard]] ValueId flat_indices(const Node& n, ValueId indices, const Dims& lengths,
                                   bool as_is = true);

/// The indices along an axis, as a tensor of one dimension, if they are the same at every place of
/// all other axes.
[[nodiscard]] std::optional<ValueId> indices_along(const Node& n, ValueId indices,
                                                   std::size_t axis);

}  // namespace accel::compiler
