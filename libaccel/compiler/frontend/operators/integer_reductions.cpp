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
    if (std::ranges::any_of(axes, [&](std::size_t axis) { return n.b.length(x, axis) == 0; })) {
        return n.b.reduce_nothing(op, x, axes);
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

ValueId cumulative_sum_integers(const Node& n, ValueId x, std::size_t axis, bool exclusive,
                                bool reverse) {
    const std::size_t rank = n.b.rank(x);
    const std::int64_t length = n.b.length(x, axis);
    const ValueId zero = n.b.scalar(n.b.type(x), 0);
    // The elements `by` positions before, or behind with `reverse`; zero outside.
    const auto moved = [&](ValueId from, std::int64_t by) {
        by = std::min(by, length);
        Dims before(rank, 0);
        Dims after(rank, 0);
        (reverse ? after : before)[axis] = by;
        return n.b.pad(n.b.slice(from, axis, reverse ? by : 0, length - by), before, after, zero);
    };
    ValueId sum = exclusive ? moved(x, 1) : x;
    for (std::int64_t by = 1; by < length; by *= 2) {
        sum = add(n, sum, moved(sum, by));
    }
    return sum;
}

}  // namespace accel::compiler
