// SPDX-License-Identifier: Apache-2.0
//
// Reductions of integers that f32 does not hold. The reduction engine supports f32 only, but the
// element-wise engine supports 64-bit integers. So element-wise operations halve the axis until one
// element remains.
#include <algorithm>
#include <functional>

#include "frontend/operators/lowering.hpp"
#include "ir/constant_folding.hpp"

namespace accel::compiler {

namespace {

ElementwiseOp operation_of(ReduceOp op) {
    switch (op) {
        case ReduceOp::max:
            return ElementwiseOp::max;
        case ReduceOp::min:
            return ElementwiseOp::min;
        case ReduceOp::product:
            return ElementwiseOp::mul;
        default:
            return ElementwiseOp::add;
    }
}

// A constant is reduced at once, without the many steps of the card: weights may be large.
ValueId reduce_constant(const Node& n, ReduceOp op, Constant x, std::vector<std::size_t> axes) {
    std::ranges::sort(axes, std::greater<>());
    for (const std::size_t axis : axes) {
        Value result{.type = x->type, .dims = x->dims, .constant = nullptr};
        result.dims[axis] = 1;
        x = fold_constant(op::Reduce{op, axis}, {x}, result);
    }
    return n.b.constant(std::move(x));
}

}  // namespace

ValueId reduce_integers(const Node& n, ReduceOp op, ValueId x,
                        const std::vector<std::size_t>& axes) {
    const auto empty = [&](std::size_t axis) { return n.b.length(x, axis) == 0; };
    if (std::ranges::any_of(axes, empty)) {
        return n.b.reduce(op, x, axes);
    }
    std::int64_t count = 1;
    for (const std::size_t axis : axes) {
        count *= n.b.dims(x)[axis];
    }
    if (const Constant& constant = n.b.value(x).constant) {
        x = reduce_constant(n, op == ReduceOp::mean ? ReduceOp::sum : op, constant, axes);
    }
    for (const std::size_t axis : axes) {
        while (n.b.dims(x)[axis] > 1) {
            const std::int64_t length = n.b.dims(x)[axis];
            const std::int64_t half = length / 2;
            ValueId both = n.b.binary(operation_of(op), n.b.slice(x, axis, 0, half),
                                      n.b.slice(x, axis, half, half));
            if (length % 2 != 0) {
                both = n.b.concat({both, n.b.slice(x, axis, length - 1, 1)}, axis);
            }
            x = both;
        }
    }
    if (op == ReduceOp::mean) {
        x = div(n, x, n.b.scalar(n.b.type(x), static_cast<double>(count)));
    }
    return x;
}

ValueId arg_reduce_integers(const Node& n, ReduceOp op, ValueId x, std::size_t axis) {
    const ReduceOp extreme = op == ReduceOp::argmax ? ReduceOp::max : ReduceOp::min;
    const ValueId best = reduce_integers(n, extreme, x, {axis});
    const ValueId hit = n.b.cast(n.b.compare(ElementwiseOp::equal, x, best), DataType::f32);
    return n.b.reduce(ReduceOp::argmax, hit, {axis});
}

ValueId matmul_integers(const Node& n, ValueId a, ValueId b) {
    const Dims left = n.b.dims(a);
    const Dims right = n.b.dims(b);
    const std::size_t rank = std::max(left.size(), right.size());
    if (left.size() < 2 || right.size() < 2 || left.back() != right[right.size() - 2]) {
        refuse("its operands " + to_string(left) + " and " + to_string(right) +
               " cannot be multiplied as matrices");
    }
    // Products [..., m, n, k], added along k.
    Dims rows = left;
    rows.insert(rows.end() - 1, 1);
    Dims columns = right;
    std::swap(columns[columns.size() - 1], columns[columns.size() - 2]);
    columns.insert(columns.end() - 2, 1);
    const Dims all = broadcast_dims(rows, columns);
    if (elements(all) > max_listed) {
        refuse("it has more than " + std::to_string(max_listed) + " products of integers",
               "cast its operands to f32 if 24 bits are enough");
    }
    const ValueId turned =
        n.b.permute(b, swapped_axes(right.size(), right.size() - 2, right.size() - 1));
    const ValueId products = mul(n, n.b.reshape(a, rows), n.b.reshape(turned, columns));
    return squeezed(n, reduce(n, ReduceOp::sum, products, {rank}), {rank});
}

}  // namespace accel::compiler
