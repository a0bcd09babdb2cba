// SPDX-License-Identifier: Apache-2.0
//
// Element-wise operators.
#include <algorithm>
#include <cmath>
#include <limits>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// The second operand of opsets before 7, whose attributes align it to an axis of the first.
ValueId aligned_operand(const Node& n) {
    const ValueId b = n.in(1);
    if (n.integer("broadcast", 0) == 0) {
        return b;
    }
    const std::size_t rank = n.b.rank(n.in(0));
    const std::size_t axis =
        n.has("axis") ? normalize_axis(n.integer("axis", 0), rank) : rank - n.b.rank(b);
    Dims dims = n.b.dims(b);
    while (dims.size() + axis < rank) {
        dims.push_back(1);
    }
    return n.b.reshape(b, std::move(dims));
}

Lowering binary(ElementwiseOp op) {
    return [=](const Node& n) { return Values{n.b.binary(op, n.in(0), n.in(1))}; };
}
Lowering aligned_binary(ElementwiseOp op) {
    return [=](const Node& n) { return Values{n.b.binary(op, n.in(0), aligned_operand(n))}; };
}

Lowering compare(ElementwiseOp op) {
    return [=](const Node& n) { return Values{n.b.compare(op, n.in(0), n.in(1))}; };
}
Lowering aligned_compare(ElementwiseOp op) {
    return [=](const Node& n) { return Values{n.b.compare(op, n.in(0), aligned_operand(n))}; };
}

// Greater is Less with its operands exchanged.
Lowering swapped_compare(ElementwiseOp op) {
    return [=](const Node& n) { return Values{n.b.compare(op, n.in(1), n.in(0))}; };
}
Lowering aligned_swapped_compare(ElementwiseOp op) {
    return [=](const Node& n) { return Values{n.b.compare(op, aligned_operand(n), n.in(0))}; };
}

// Combines any number of operands.
Lowering variadic(ElementwiseOp op) {
    return [=](const Node& n) {
        ValueId sum = n.in(0);
        for (std::size_t i = 1; i < n.count(); ++i) {
            sum = n.b.binary(op, sum, n.in(i));
        }
        return Values{sum};
    };
}

Values mean(const Node& n) {
    const ValueId sum = variadic(ElementwiseOp::add)(n)[0];
    return {div(n, sum, n.b.scalar(static_cast<float>(n.count())))};
}

// `aligned` is the exponent as it broadcasts.
Values power_of(const Node& n, ValueId aligned) {
    const ValueId b = n.b.cast(aligned, n.b.type(n.in(0)));
    const ValueId exponent = n.in(1);
    // Exponents of 2 and 0.5 are common, and the card has faster operations for them.
    const Constant known = n.b.value(exponent).constant;
    if (known && elements(known->dims) == 1 && !is_integer(n.b.type(n.in(0)))) {
        const float e = known->floats()[0];
        if (n.b.rank(exponent) <= n.b.rank(n.in(0))) {
            if (e == 2.0F) {
                return {mul(n, n.in(0), n.in(0))};
            }
            if (e == 0.5F) {
                return {n.b.unary(UnaryOp::sqrt, n.in(0))};
            }
        }
    }
    if (is_integer(n.b.type(n.in(0))) && !is_integer(n.b.type(exponent))) {
        const ValueId x = n.b.cast(n.in(0), DataType::f32);
        return {n.b.cast(n.b.binary(ElementwiseOp::pow, x, exponent), n.b.type(n.in(0)))};
    }
    return {n.b.binary(ElementwiseOp::pow, n.in(0), b)};
}
Values power(const Node& n) {
    return power_of(n, n.in(1));
}
Values aligned_power(const Node& n) {
    return power_of(n, aligned_operand(n));
}

Values modulo(const Node& n) {
    return binary(n.integer("fmod", 0) != 0 ? ElementwiseOp::fmod : ElementwiseOp::mod)(n);
}

// The card shifts 64 bits, and fills with zeros. From opset 28 on, elements may have a sign, which
// a shift to the right copies: it shifts the inverse of a negative element.
Values shift(const Node& n) {
    const std::string direction = n.text("direction");
    if (direction == "LEFT") {
        return binary(ElementwiseOp::shift_left)(n);
    }
    if (direction != "RIGHT") {
        refuse("its attribute 'direction' is '" + direction + "', not 'LEFT' or 'RIGHT'");
    }
    const ValueId x = n.in(0);
    const DataType type = n.b.type(x);
    if (type == DataType::u8 || type == DataType::u16 || type == DataType::u32) {
        return binary(ElementwiseOp::shift_right)(n);
    }
    const ValueId negative = n.b.compare(ElementwiseOp::less, x, n.b.scalar(type, 0));
    const ValueId mask = unary(n, UnaryOp::neg, n.b.cast(negative, type));
    const auto masked = [&](ValueId v) { return n.b.binary(ElementwiseOp::bit_xor, v, mask); };
    return {masked(n.b.binary(ElementwiseOp::shift_right, masked(x), n.in(1)))};
}

// Until opset 10, attributes state the bounds.
Values clip_by_attributes(const Node& n) {
    const float low = n.real("min", -std::numeric_limits<float>::max());
    const float high = n.real("max", std::numeric_limits<float>::max());
    return {n.b.unary(UnaryOp::clip, n.in(0), low, high)};
}

// x with one bound. A zero inside of the bounds keeps its sign, as in UnaryOp::clip.
ValueId with_bound(const Node& n, ElementwiseOp op, ValueId x, ValueId bound) {
    const ValueId bounded = n.b.binary(op, x, bound);
    if (is_integer(n.b.type(x))) {
        return bounded;
    }
    const bool low = op == ElementwiseOp::max;
    const ValueId inside = n.b.compare(ElementwiseOp::less_equal, low ? bound : x, low ? x : bound);
    return n.b.select(inside, x, bounded);
}

// The largest finite number of a floating-point type.
float largest(DataType type) {
    switch (type) {
        case DataType::f16:
            return 65504;
        case DataType::bf16:
            return 0x1.fep127F;
        default:
            return std::numeric_limits<float>::max();
    }
}

// From opset 11 on, inputs state the bounds. They may be integers, and values of a run. The bounds
// of floating-point numbers are finite where none is stated.
Values clip(const Node& n) {
    ValueId x = n.in(0);
    const DataType type = n.b.type(x);
    const auto known = [&](std::size_t i) { return !n.has(i) || n.b.value(n.in(i)).constant; };
    if (known(1) && known(2) && !is_integer(type)) {
        const float low = n.has(1) ? n.first_float(1) : -largest(type);
        const float high = n.has(2) ? n.first_float(2) : largest(type);
        if (low <= high) {
            return {n.b.unary(UnaryOp::clip, x, low, high)};
        }
    }
    const auto bounded = [&](ElementwiseOp op, std::size_t input, float otherwise) {
        if (n.has(input)) {
            x = with_bound(n, op, x, n.in(input));
        } else if (!is_integer(type)) {
            x = with_bound(n, op, x, n.b.scalar(type, otherwise));
        }
    };
    bounded(ElementwiseOp::max, 1, -largest(type));
    bounded(ElementwiseOp::min, 2, largest(type));
    return {x};
}

Values where(const Node& n) {
    return {n.b.select(n.in(0), n.in(1), n.in(2))};
}

// ---- composed of several instructions

Values is_nan(const Node& n) {
    const ValueId same = n.b.compare(ElementwiseOp::equal, n.in(0), n.in(0));
    return {unary(n, UnaryOp::logical_not, same)};
}

Values is_inf(const Node& n) {
    ValueId x = n.in(0);
    constexpr double infinite = std::numeric_limits<double>::infinity();
    const bool low = n.integer("detect_negative", 1) != 0;
    const bool high = n.integer("detect_positive", 1) != 0;
    if (low && high) {
        x = unary(n, UnaryOp::abs, x);
    }
    if (!low && !high) {
        return {n.b.broadcast(n.b.scalar(DataType::boolean, 0), n.b.dims(x))};
    }
    return {
        n.b.compare(ElementwiseOp::equal, x, n.b.scalar(n.b.type(x), high ? infinite : -infinite))};
}

}  // namespace

void add_elementwise(OperatorTable& table) {
    table.add({
        {"Abs", {1}, unary_operator(UnaryOp::abs)},
        {"Acos", {7}, unary_operator(UnaryOp::acos)},
        {"Acosh", {9}, unary_operator(UnaryOp::acosh)},
        {"Add", {1, 6}, aligned_binary(ElementwiseOp::add)},
        {"Add", {7}, binary(ElementwiseOp::add)},
        {"And", {1, 6}, aligned_compare(ElementwiseOp::bit_and)},
        {"And", {7}, compare(ElementwiseOp::bit_and)},
        {"Asin", {7}, unary_operator(UnaryOp::asin)},
        {"Asinh", {9}, unary_operator(UnaryOp::asinh)},
        {"Atan", {7}, unary_operator(UnaryOp::atan)},
        {"Atanh", {9}, unary_operator(UnaryOp::atanh)},
        {"BitShift", {11}, shift},
        {"BitwiseAnd", {18}, binary(ElementwiseOp::bit_and)},
        {"BitwiseOr", {18}, binary(ElementwiseOp::bit_or)},
        {"BitwiseXor", {18}, binary(ElementwiseOp::bit_xor)},
        {"Ceil", {1}, unary_operator(UnaryOp::ceil)},
        {"Clip", {1, 10}, clip_by_attributes},
        {"Clip", {11}, clip},
        {"Cos", {7}, unary_operator(UnaryOp::cos)},
        {"Cosh", {9}, unary_operator(UnaryOp::cosh)},
        {"Div", {1, 6}, aligned_binary(ElementwiseOp::div)},
        {"Div", {7}, binary(ElementwiseOp::div)},
        {"Equal", {1, 6}, aligned_compare(ElementwiseOp::equal)},
        {"Equal", {7}, compare(ElementwiseOp::equal)},
        {"Erf", {9}, unary_operator(UnaryOp::erf)},
        {"Exp", {1}, unary_operator(UnaryOp::exp)},
        {"Floor", {1}, unary_operator(UnaryOp::floor)},
        {"Greater", {1, 6}, aligned_swapped_compare(ElementwiseOp::less)},
        {"Greater", {7}, swapped_compare(ElementwiseOp::less)},
        {"GreaterOrEqual", {12}, swapped_compare(ElementwiseOp::less_equal)},
        {"IsInf", {10}, is_inf},
        {"IsNaN", {9}, is_nan},
        {"Less", {1, 6}, aligned_compare(ElementwiseOp::less)},
        {"Less", {7}, compare(ElementwiseOp::less)},
        {"LessOrEqual", {12}, compare(ElementwiseOp::less_equal)},
        {"Log", {1}, unary_operator(UnaryOp::log)},
        {"Max", {1}, variadic(ElementwiseOp::max)},
        {"Mean", {1}, mean},
        {"Min", {1}, variadic(ElementwiseOp::min)},
        {"Mod", {10}, modulo},
        {"Mul", {1, 6}, aligned_binary(ElementwiseOp::mul)},
        {"Mul", {7}, binary(ElementwiseOp::mul)},
        {"Neg", {1}, unary_operator(UnaryOp::neg)},
        {"Not", {1}, unary_operator(UnaryOp::logical_not)},
        {"Or", {1, 6}, aligned_compare(ElementwiseOp::bit_or)},
        {"Or", {7}, compare(ElementwiseOp::bit_or)},
        {"Pow", {1, 6}, aligned_power},
        {"Pow", {7}, power},
        {"Reciprocal", {1}, unary_operator(UnaryOp::reciprocal)},
        {"Round", {11}, unary_operator(UnaryOp::round)},
        {"Sign", {9}, unary_operator(UnaryOp::sign)},
        {"Sin", {7}, unary_operator(UnaryOp::sin)},
        {"Sinh", {9}, unary_operator(UnaryOp::sinh)},
        {"Sqrt", {1}, unary_operator(UnaryOp::sqrt)},
        {"Sub", {1, 6}, aligned_binary(ElementwiseOp::sub)},
        {"Sub", {7}, binary(ElementwiseOp::sub)},
        {"Sum", {1}, variadic(ElementwiseOp::add)},
        {"Tan", {7}, unary_operator(UnaryOp::tan)},
        {"Where", {9}, where},
        {"Xor", {1, 6}, aligned_compare(ElementwiseOp::bit_xor)},
        {"Xor", {7}, compare(ElementwiseOp::bit_xor)},
    });
}

}  // namespace accel::compiler
