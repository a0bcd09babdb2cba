// SPDX-License-Identifier: Apache-2.0
#include "ir/empty_reduction.hpp"

#include <limits>

namespace accel::compiler {

namespace {

Constant real(DataType type, float value) {
    return make_constant(type, {}, std::span<const float>(&value, 1));
}
Constant integer(DataType type, std::int64_t value) {
    return make_constant(type, {}, std::span<const std::int64_t>(&value, 1));
}

// The largest or the smallest integer of a type.
std::int64_t integer_bound(DataType type, bool largest) {
    const bool is_signed = type == DataType::i8 || type == DataType::i16 || type == DataType::i32 ||
                           type == DataType::i64;
    const int bits = static_cast<int>(8 * size_of(type)) - (is_signed ? 1 : 0);
    const std::int64_t high = type == DataType::boolean ? 1
                              : bits >= 63              ? INT64_MAX
                                                        : (std::int64_t{1} << bits) - 1;
    return largest ? high : is_signed ? -high - 1 : 0;
}

}  // namespace

Constant empty_reduction(ReduceOp op, DataType type) {
    constexpr float infinite = std::numeric_limits<float>::infinity();
    const bool integers = is_integer(type);
    switch (op) {
        case ReduceOp::sum:
            return integers ? integer(type, 0) : real(type, 0);
        case ReduceOp::product:
            return integers ? integer(type, 1) : real(type, 1);
        case ReduceOp::max:
            return integers ? integer(type, integer_bound(type, false)) : real(type, -infinite);
        case ReduceOp::min:
            return integers ? integer(type, integer_bound(type, true)) : real(type, infinite);
        case ReduceOp::mean:
            if (!integers) {
                return real(type, std::numeric_limits<float>::quiet_NaN());
            }
            break;
        default:
            break;
    }
    refuse("it reduces an axis without elements, for which its operation has no result");
}

}  // namespace accel::compiler
