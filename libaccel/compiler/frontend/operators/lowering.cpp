// SPDX-License-Identifier: Apache-2.0
#include "frontend/operators/lowering.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace accel::compiler {

std::vector<std::size_t> all_axes(std::size_t rank) {
    std::vector<std::size_t> axes(rank);
    std::iota(axes.begin(), axes.end(), 0);
    return axes;
}

std::vector<std::size_t> swapped_axes(std::size_t rank, std::size_t a, std::size_t b) {
    std::vector<std::size_t> axes = all_axes(rank);
    std::swap(axes[a], axes[b]);
    return axes;
}

ValueId integer_list(const Node& n, const std::vector<std::int64_t>& values) {
    return n.b.constant(make_constant(DataType::i64, {static_cast<std::int64_t>(values.size())},
                                      std::span<const std::int64_t>(values)));
}

bool is_wide(DataType type) {
    return type == DataType::i64 || type == DataType::u32 || type == DataType::i32;
}

ValueId as_f32(const Node& n, ValueId x) {
    const DataType type = n.b.type(x);
    if (is_wide(type)) {
        refuse("it is not supported for " + std::string(to_string(type)),
               "cast the input to f32 if 24 bits are enough");
    }
    return n.b.cast(x, DataType::f32);
}

ValueId squeezed(const Node& n, ValueId x, const std::vector<std::size_t>& axes) {
    Dims dims;
    for (std::size_t i = 0; i < n.b.rank(x); ++i) {
        if (std::ranges::find(axes, i) == axes.end()) {
            dims.push_back(n.b.dims(x)[i]);
        }
    }
    return n.b.reshape(x, std::move(dims));
}

ValueId reduce(const Node& n, ReduceOp op, ValueId x, const std::vector<std::size_t>& axes) {
    const DataType type = n.b.type(x);
    const auto empty = [&](std::size_t axis) { return n.b.length(x, axis) == 0; };
    if (type == DataType::f32 || n.b.value(x).constant || std::ranges::any_of(axes, empty)) {
        return n.b.reduce(op, x, axes);
    }
    if (is_wide(type)) {
        return reduce_integers(n, op, x, axes);
    }
    return n.b.cast(n.b.reduce(op, as_f32(n, x), axes), type);
}

ValueId log_softmax_along(const Node& n, ValueId x, std::size_t axis) {
    const ValueId low = sub(n, x, reduce(n, ReduceOp::max, x, {axis}));
    const ValueId sum = reduce(n, ReduceOp::sum, unary(n, UnaryOp::exp, low), {axis});
    return sub(n, low, unary(n, UnaryOp::log, sum));
}

}  // namespace accel::compiler
