// SPDX-License-Identifier: Apache-2.0
//
// Cast and CastLike.
#include "frontend/operators/casts.hpp"

#include <limits>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/lowering.hpp"
#include "numerics/small_types.hpp"

namespace accel::compiler {

float largest_number(DataType type) {
    switch (type) {
        case DataType::f8e4m3fn:
            return card::decode_small<card::f8e4m3fn>(card::f8e4m3fn.largest);
        case DataType::f8e4m3fnuz:
            return card::decode_small<card::f8e4m3fnuz>(card::f8e4m3fnuz.largest);
        case DataType::f8e5m2:
            return card::decode_small<card::f8e5m2>(card::f8e5m2.largest);
        case DataType::f8e5m2fnuz:
            return card::decode_small<card::f8e5m2fnuz>(card::f8e5m2fnuz.largest);
        default:
            return card::exact_power_of_two(127);  // f8e8m0
    }
}

ValueId to_float8(const Node& n, ValueId x, DataType type, bool saturate) {
    if (!saturate) {
        return n.b.cast(x, type);
    }
    const float most = largest_number(type);
    return n.b.elementwise({.activation = UnaryOp::clip, .alpha = -most, .beta = most}, {x}, type);
}

namespace {

// The power of two next to |x|, which f8e8m0 holds if it is in range. The card itself rounds up.
ValueId rounded_power(const Node& n, ValueId x, bool nearest) {
    constexpr std::int64_t exponent_bits = 0x7f800000;
    constexpr std::int64_t half = 0x400000;
    const ValueId bits = n.b.bitcast(n.b.unary(UnaryOp::abs, x), DataType::i32);
    const auto integer = [&](std::int64_t value) {
        return n.b.scalar(DataType::i32, static_cast<double>(value));
    };
    const ValueId moved = nearest ? add(n, bits, integer(half)) : bits;
    const ValueId power = n.b.bitcast(
        n.b.binary(ElementwiseOp::bit_and, moved, integer(exponent_bits)), DataType::f32);
    // Below 2^-126 the bits have another meaning: there are the powers 2^-126 and 2^-127 only.
    const ValueId magnitude = n.b.unary(UnaryOp::abs, x);
    const ValueId least = n.b.scalar(0x1p-127F);
    const ValueId low =
        nearest ? n.b.select(n.b.compare(ElementwiseOp::less, magnitude, n.b.scalar(0x1.8p-127F)),
                             least, n.b.scalar(0x1p-126F))
                : least;
    const ValueId result =
        n.b.select(n.b.compare(ElementwiseOp::less, magnitude, n.b.scalar(0x1p-126F)), low, power);
    // A NaN is the only number that does not equal itself.
    return n.b.select(n.b.compare(ElementwiseOp::equal, x, x), result, x);
}

ValueId to_power_of_two(const Node& n, ValueId x, bool saturate) {
    const std::string mode = n.text("round_mode", "up");
    if (mode != "up" && mode != "down" && mode != "nearest") {
        refuse("its round_mode is '" + mode + "'", "it must be up, down or nearest");
    }
    const ValueId rounded = mode == "up" ? x : rounded_power(n, x, mode == "nearest");
    if (saturate) {
        return to_float8(n, rounded, DataType::f8e8m0, true);
    }
    // Numbers below the least power of two are out of range, too.
    const ValueId below =
        n.b.compare(ElementwiseOp::less, n.b.unary(UnaryOp::abs, x), n.b.scalar(0x1p-127F));
    return n.b.cast(n.b.select(below, n.b.scalar(std::numeric_limits<float>::quiet_NaN()), rounded),
                    DataType::f8e8m0);
}

ValueId converted(const Node& n, ValueId x, DataType to) {
    const DataType from = n.b.type(x);
    if (from == to || !is_small(to)) {
        return n.b.cast(x, to);
    }
    if (is_integer(to)) {
        // A number that is out of range keeps its low bits, as an integer does.
        return n.b.cast(is_integer(from) ? x : n.b.cast(x, DataType::i32), to);
    }
    if (to == DataType::f4e2m1) {
        return n.b.cast(x, to);
    }
    const bool saturate = n.integer("saturate", 1) != 0;
    const ValueId wide = n.b.cast(x, DataType::f32);
    return to == DataType::f8e8m0 ? to_power_of_two(n, wide, saturate)
                                  : to_float8(n, wide, to, saturate);
}

Values cast(const Node& n) {
    return {converted(n, n.in(0), n.b.compute_type(data_type_of(n.integer("to"))))};
}
Values cast_like(const Node& n) {
    return {converted(n, n.in(0), n.b.type(n.in(1)))};
}

}  // namespace

void add_casts(OperatorTable& table) {
    table.add({
        {"Cast", {1}, cast},
        {"CastLike", {15}, cast_like},
    });
}

}  // namespace accel::compiler
