// SPDX-License-Identifier: Apache-2.0
//
// Cumulative sums and products. In each round, every element is combined with the one `by`
// positions before it, and `by` doubles. The error of a sum therefore grows with the logarithm of
// its length, and an infinite element changes no sum in front of it.
#include <algorithm>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

ValueId cumulative(const Node& n, ValueId x, std::size_t axis, ElementwiseOp op, double neutral) {
    const bool reverse = n.integer("reverse", 0) != 0;
    const std::size_t rank = n.b.rank(x);
    const std::int64_t length = n.b.length(x, axis);
    // The elements `by` positions before, or behind with `reverse`; neutral ones outside.
    const auto moved = [&](ValueId from, std::int64_t by) {
        by = std::min(by, length);
        Dims before(rank, 0);
        Dims after(rank, 0);
        (reverse ? after : before)[axis] = by;
        return n.b.pad(n.b.slice(from, axis, reverse ? by : 0, length - by), before, after,
                       n.b.scalar(n.b.type(from), neutral));
    };
    ValueId sum = n.integer("exclusive", 0) != 0 ? moved(x, 1) : x;
    for (std::int64_t by = 1; by < length; by *= 2) {
        sum = n.b.binary(op, sum, moved(sum, by));
    }
    return sum;
}

Lowering cumulative_operator(ElementwiseOp op, double neutral) {
    return [=](const Node& n) {
        const ValueId given = n.in(0);
        const DataType type = n.b.type(given);
        const std::size_t axis = normalize_axis(n.first_integer(1), n.b.rank(given));
        const ValueId x = is_integer(type) ? given : n.b.cast(given, DataType::f32);
        return Values{n.b.cast(cumulative(n, x, axis, op, neutral), type)};
    };
}

}  // namespace

void add_cumulative(OperatorTable& table) {
    table.add({
        {"CumProd", {26}, cumulative_operator(ElementwiseOp::mul, 1)},
        {"CumSum", {11}, cumulative_operator(ElementwiseOp::add, 0)},
    });
}

}  // namespace accel::compiler
