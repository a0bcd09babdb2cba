// SPDX-License-Identifier: Apache-2.0
//
// Layouts of tensors in memory: strides, and what changes strides only.
#pragma once

#include <accel/shape.hpp>

#include <optional>
#include <vector>

#include "ir/tensor.hpp"

namespace accel::compiler {

/// The dimensions of a tensor, outermost first.
using DimOrder = std::vector<std::size_t>;

/// The location of a value's elements: element i is at offset + the sum of i * strides.
struct TensorView {
    int slot = -1;
    std::int64_t offset = 0;
    Dims strides;
};

/// The loops over the elements of several operands of the same shape.
struct LoopNest {
    Dims dims;
    std::vector<Dims> strides;  // of each operand
};

/// Merges neighboring dimensions that are contiguous in all operands. Throws if more dimensions
/// remain than the card supports.
[[nodiscard]] LoopNest collapse_loops(const Dims& dims, const std::vector<Dims>& strides,
                                      const DimOrder& order);

[[nodiscard]] DimOrder row_major(std::size_t rank);
/// The dimensions by descending strides.
[[nodiscard]] DimOrder order_by_strides(const TensorView& view, const Dims& dims);
/// The strides of a dense tensor in this order.
[[nodiscard]] Dims strides_for_order(const Dims& dims, const DimOrder& order);
/// Whether two sets of strides address the same elements.
[[nodiscard]] bool same_strides(const Dims& dims, const Dims& a, const Dims& b);
/// The strides of the same elements in another shape, if no copy is needed.
[[nodiscard]] std::optional<Dims> reshape_strides(const Dims& from, const Dims& strides,
                                                  const Dims& to);

[[nodiscard]] Shape to_shape(const Dims& dims);
/// Throws if the value does not fit a field of a command.
[[nodiscard]] std::uint32_t to_u32(std::int64_t value);

}  // namespace accel::compiler
