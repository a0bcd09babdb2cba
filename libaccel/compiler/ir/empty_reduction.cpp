// SPDX-License-Identifier: Apache-2.0
//
// Reductions of no elements, whose results are constants.
#include <limits>

#include "ir/builder.hpp"

namespace accel::compiler {

namespace {

// The result of a reduction of no elements.
Constant identity_of(ReduceOp op, DataType type) {
    if (!is_integer(type)) {
        constexpr float infinity = std::numeric_limits<float>::infinity();
        const float x = op == ReduceOp::sum       ? 0
                        : op == ReduceOp::product ? 1
                        : op == ReduceOp::max     ? -infinity
                        : op == ReduceOp::min     ? infinity
                                                  : std::numeric_limits<float>::quiet_NaN();
        return make_constant(type, {}, std::span<const float>(&x, 1));
    }
    const bool is_signed = type == DataType::i8 || type == DataType::i16 || type == DataType::i32 ||
                           type == DataType::i64;
    const std::size_t bits = 8 * size_of(type) - (is_signed ? 1 : 0);
    const auto most =
        static_cast<std::int64_t>(type == DataType::boolean ? 1 : ~std::uint64_t{0} >> (64 - bits));
    const std::int64_t x = op == ReduceOp::product ? 1
                           : op == ReduceOp::min   ? most
                           : op == ReduceOp::max   ? (is_signed ? -most - 1 : 0)
                                                   : 0;
    return make_constant(type, {}, std::span<const std::int64_t>(&x, 1));
}

}  // namespace

ValueId Builder::reduce_nothing(ReduceOp op, ValueId a, const std::vector<std::size_t>& axes) {
    if (op == ReduceOp::argmax || op == ReduceOp::argmin) {
        refuse("it looks for the index of an element along an axis without elements");
    }
    Dims shape = dims(a);
    for (const std::size_t axis : axes) {
        shape[axis] = 1;
    }
    return broadcast(constant(identity_of(op, type(a))), shape);
}

}  // namespace accel::compiler
