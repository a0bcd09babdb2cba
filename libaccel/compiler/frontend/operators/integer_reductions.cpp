// SPDX-License-Identifier: Apache-2.0
//
// Reductions of integers that f32 does not hold. The reduction engine supports f32 only, but the
// element-wise engine supports 64-bit integers. So element-wise operations halve the axis until one
// element remains.
#include <algorithm>

#include "frontend/operators/lowering.hpp"

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

}  // namespace

ValueId reduce_integers(const Node& n, ReduceOp op, ValueId x,
                        const std::vector<std::size_t>& axes) {
    std::int64_t count = 1;
    for (const std::size_t axis : axes) {
        if (n.b.length(x, axis) == 0) {
            return n.b.reduce(op, x, axes);
        }
        count *= n.b.dims(x)[axis];
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

}  // namespace accel::compiler
