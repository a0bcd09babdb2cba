// SPDX-License-Identifier: Apache-2.0
//
// How elements lie in memory: strides, and what can be done with them alone.
#pragma once

#include <accel/shape.hpp>

#include <optional>
#include <vector>

#include "ir/tensor.hpp"

namespace accel::compiler {

/// Dimensions, outermost first.
using Order = std::vector<std::size_t>;

/// Where the elements of a value are: element i is first + the sum of i * strides.
struct Place {
    int store = -1;
    std::int64_t first = 0;
    Dims strides;
};

/// Several operands over the same dimensions, joined where that is one for all of them.
struct Loops {
    Dims dims;
    std::vector<Dims> strides;  // of each operand
};

/// Throws if more dimensions are left than the card has.
[[nodiscard]] Loops collapse(const Dims& dims, const std::vector<Dims>& strides,
                             const Order& order);

[[nodiscard]] Order row_major(std::size_t rank);
/// Outermost first, by strides.
[[nodiscard]] Order order_of(const Place& place, const Dims& dims);
/// Of elements without gaps in this order.
[[nodiscard]] Dims strides_in(const Dims& dims, const Order& order);
/// Whether they lead to the same elements.
[[nodiscard]] bool same_strides(const Dims& dims, const Dims& a, const Dims& b);
/// Strides of the same elements under other dimensions, if there are such.
[[nodiscard]] std::optional<Dims> reshaped(const Dims& from, const Dims& strides, const Dims& to);

[[nodiscard]] Shape to_shape(const Dims& dims);
/// Throws if the card cannot count so far.
[[nodiscard]] std::uint32_t u32(std::int64_t value);

}  // namespace accel::compiler
