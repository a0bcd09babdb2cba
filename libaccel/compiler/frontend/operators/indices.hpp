// SPDX-License-Identifier: Apache-2.0
//
// Indices that an operator takes from a tensor, in the forms that GATHER and SCATTER take. They may
// be values of the run: the card then finds those that are out of range.
#pragma once

#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

/// An index out of range of every axis. The sum of one such index for each dimension of a tensor
/// does not overflow.
inline constexpr std::int64_t outside_index = std::int64_t{1} << 40;
static_assert(outside_index > max_elements);

/// `index` where `valid`, else outside_index.
[[nodiscard]] inline ValueId index_if(const Node& n, ValueId valid, ValueId index) {
    return n.b.select(valid, index, n.b.scalar(DataType::i64, static_cast<double>(outside_index)));
}

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
