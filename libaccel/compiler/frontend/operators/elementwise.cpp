// SPDX-License-Identifier: Apache-2.0
//
// Operators that look at one element at a time.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

using Values = std::vector<ValueId>;

Lower unary(UnaryOp activation) {
    return [=](const Node& n) { return Values{n.b.unary(activation, n.in(0))}; };
}

Lower with_alpha(UnaryOp activation, const char* attribute, float otherwise) {
    return [=](const Node& n) {
        return Values{n.b.unary(activation, n.in(0), n.real(attribute, otherwise))};
    };
}

// Before opset 7 the second operand could be aligned to an axis of the first.
ValueId second(const Node& n, ValueId a, ValueId b) {
    if (n.opset >= 7 || n.integer("broadcast", 0) == 0) {
        return b;
    }
    const std::size_t rank = n.b.rank(a);
    const std::size_t axis =
        n.has("axis") ? axis_of(n.integer("axis", 0), rank) : rank - n.b.rank(b);
    Dims dims = n.b.dims(b);
    while (dims.size() + axis < rank) {
        dims.push_back(1);
    }
    return n.b.reshape(b, std::move(dims));
}

Lower binary(ElementwiseOp op) {
    return
        [=](const Node& n) { return Values{n.b.binary(op, n.in(0), second(n, n.in(0), n.in(1)))}; };
}

Lower compare(ElementwiseOp op, bool swap) {
    return [=](const Node& n) {
        const ValueId a = n.in(0);
        const ValueId b = second(n, a, n.in(1));
        return Values{swap ? n.b.compare(op, b, a) : n.b.compare(op, a, b)};
    };
}

Lower logic(ElementwiseOp op) {
    return compare(op, false);
}

// Of any number of operands.
Lower variadic(ElementwiseOp op) {
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
    return {n.b.binary(ElementwiseOp::div, sum, n.b.scalar(static_cast<float>(n.count())))};
}

Values power(const Node& n) {
    const ValueId b = n.b.cast(second(n, n.in(0), n.in(1)), n.b.type(n.in(0)));
    const ValueId exponent = n.in(1);
    // What a network squares is seldom anything but squared.
    const Constant known = n.b.value(exponent).constant;
    if (known && elements(known->dims) == 1 && !is_integer(n.b.type(n.in(0)))) {
        const float e = known->floats()[0];
        if (n.b.rank(exponent) <= n.b.rank(n.in(0))) {
            if (e == 2.0F) {
                return {n.b.binary(ElementwiseOp::mul, n.in(0), n.in(0))};
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

Values modulo(const Node& n) {
    return binary(n.integer("fmod", 0) != 0 ? ElementwiseOp::fmod : ElementwiseOp::mod)(n);
}

Values shift(const Node& n) {
    const bool left = n.text("direction", "") == "LEFT";
    return binary(left ? ElementwiseOp::shift_left : ElementwiseOp::shift_right)(n);
}

// min(max(x, low), high), so that bounds may be computed and of any type.
Values clip(const Node& n) {
    ValueId x = n.in(0);
    const DataType type = n.b.type(x);
    if (n.opset < 11) {
        const float low = n.real("min", -std::numeric_limits<float>::max());
        const float high = n.real("max", std::numeric_limits<float>::max());
        return {n.b.unary(UnaryOp::clip, x, low, high)};
    }
    const auto known = [&](std::size_t i) { return !n.has(i) || n.b.value(n.in(i)).constant; };
    if (known(1) && known(2) && !is_integer(type) && (n.has(1) || n.has(2))) {
        const float infinite = std::numeric_limits<float>::infinity();
        const float low = n.has(1) ? n.floats(1).at(0) : -infinite;
        const float high = n.has(2) ? n.floats(2).at(0) : infinite;
        if (low <= high) {
            return {n.b.unary(UnaryOp::clip, x, low, high)};
        }
    }
    x = n.has(1) ? n.b.binary(ElementwiseOp::max, x, n.in(1)) : x;
    x = n.has(2) ? n.b.binary(ElementwiseOp::min, x, n.in(2)) : x;
    return {x};
}

Values prelu(const Node& n) {
    ValueId slope = n.in(1);
    // One slope a channel may come without the dimensions behind.
    if (n.b.rank(slope) == 1 && n.b.rank(n.in(0)) > 2 && n.opset < 7) {
        Dims dims = n.b.dims(slope);
        dims.resize(n.b.rank(n.in(0)) - 1, 1);
        slope = n.b.reshape(slope, std::move(dims));
    }
    return {n.b.binary(ElementwiseOp::prelu, n.in(0), slope)};
}

Values where(const Node& n) {
    return {n.b.select(n.in(0), n.in(1), n.in(2))};
}

Values cast(const Node& n) {
    return {n.b.cast(n.in(0), n.b.worked(type_of(n.integer("to", 0))))};
}
Values cast_like(const Node& n) {
    return {n.b.cast(n.in(0), n.b.type(n.in(1)))};
}

Values identity(const Node& n) {
    return {n.in(0)};
}

Values dropout(const Node& n) {
    if (n.has(2) && n.integers(2).at(0) != 0 && (!n.has(1) || n.floats(1).at(0) != 0.0F)) {
        refuse("it drops at random, as in training: export the model for inference");
    }
    ValueId mask = n.in(0);
    if (n.outputs > 1) {
        mask = n.b.broadcast(n.b.scalar(DataType::boolean, 1), n.b.dims(n.in(0)));
    }
    return {n.in(0), mask};
}

// ---- made of several

ValueId add(const Node& n, ValueId x, float y) {
    return n.b.binary(ElementwiseOp::add, x, n.b.scalar(n.b.type(x), y));
}
ValueId times(const Node& n, ValueId x, float y) {
    return n.b.binary(ElementwiseOp::mul, x, n.b.scalar(n.b.type(x), y));
}
ValueId over(const Node& n, ValueId x, ValueId y) {
    return n.b.binary(ElementwiseOp::div, x, y);
}
ValueId of(const Node& n, UnaryOp activation, ValueId x) {
    return n.b.unary(activation, x);
}

Values hard_swish(const Node& n) {
    return {n.b.unary(UnaryOp::hard_swish, n.in(0))};
}
Values hard_sigmoid(const Node& n) {
    return {n.b.unary(UnaryOp::hard_sigmoid, n.in(0), n.real("alpha", 0.2F), n.real("beta", 0.5F))};
}

Values selu(const Node& n) {
    const float gamma = n.real("gamma", 1.05070102F);
    return {times(n, n.b.unary(UnaryOp::elu, n.in(0), n.real("alpha", 1.67326319F)), gamma)};
}

// max(0, x) + min(0, alpha * (exp(x / alpha) - 1))
Values celu(const Node& n) {
    const float alpha = n.real("alpha", 1.0F);
    return {n.b.binary(ElementwiseOp::mul,
                       n.b.unary(UnaryOp::elu, times(n, n.in(0), 1.0F / alpha), 1.0F),
                       n.b.scalar(n.b.type(n.in(0)), alpha))};
}

Values softsign(const Node& n) {
    return {over(n, n.in(0), add(n, of(n, UnaryOp::abs, n.in(0)), 1.0F))};
}

Values mish(const Node& n) {
    const ValueId x = n.in(0);
    return {n.b.binary(ElementwiseOp::mul, x, of(n, UnaryOp::tanh, of(n, UnaryOp::softplus, x)))};
}

Values gelu(const Node& n) {
    const ValueId x = n.in(0);
    if (n.text("approximate", "none") == "none") {
        return {of(n, UnaryOp::gelu, x)};
    }
    const ValueId cube = n.b.binary(ElementwiseOp::mul, x, n.b.binary(ElementwiseOp::mul, x, x));
    const ValueId inner = n.b.binary(ElementwiseOp::add, x, times(n, cube, 0.044715F));
    const ValueId t = of(n, UnaryOp::tanh, times(n, inner, 0.797884561F));
    return {times(n, n.b.binary(ElementwiseOp::mul, x, add(n, t, 1.0F)), 0.5F)};
}

Values thresholded_relu(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId above =
        n.b.compare(ElementwiseOp::less, n.b.scalar(n.b.type(x), n.real("alpha", 1.0F)), x);
    return {n.b.select(above, x, n.b.scalar(n.b.type(x), 0))};
}

Values shrink(const Node& n) {
    const ValueId x = n.in(0);
    const float bias = n.real("bias", 0.0F);
    const float lambda = n.real("lambd", 0.5F);
    const DataType type = n.b.type(x);
    const ValueId below = n.b.compare(ElementwiseOp::less, x, n.b.scalar(DataType::f32, -lambda));
    const ValueId above = n.b.compare(ElementwiseOp::less, n.b.scalar(DataType::f32, lambda), x);
    const ValueId zero = n.b.scalar(type, 0);
    return {n.b.select(below, add(n, x, bias), n.b.select(above, add(n, x, -bias), zero))};
}

Values is_nan(const Node& n) {
    const ValueId same = n.b.compare(ElementwiseOp::equal, n.in(0), n.in(0));
    return {of(n, UnaryOp::logical_not, same)};
}

Values is_inf(const Node& n) {
    ValueId x = n.in(0);
    constexpr double infinite = std::numeric_limits<double>::infinity();
    const bool low = n.integer("detect_negative", 1) != 0;
    const bool high = n.integer("detect_positive", 1) != 0;
    if (low && high) {
        x = of(n, UnaryOp::abs, x);
    }
    if (!low && !high) {
        return {n.b.broadcast(n.b.scalar(DataType::boolean, 0), n.b.dims(x))};
    }
    return {
        n.b.compare(ElementwiseOp::equal, x, n.b.scalar(n.b.type(x), high ? infinite : -infinite))};
}

Values tangent(const Node& n) {
    return {over(n, of(n, UnaryOp::sin, n.in(0)), of(n, UnaryOp::cos, n.in(0)))};
}
// sign(x) * (e - 1/e) / 2 of |x|, where that loses nothing; near zero the series.
Values sinh(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId e = of(n, UnaryOp::exp, x);
    const ValueId far =
        times(n, n.b.binary(ElementwiseOp::sub, e, of(n, UnaryOp::reciprocal, e)), 0.5F);
    const ValueId z = n.b.binary(ElementwiseOp::mul, x, x);
    const ValueId series =
        add(n, n.b.binary(ElementwiseOp::mul, z, add(n, times(n, z, 1.0F / 120), 1.0F / 6)), 1.0F);
    const ValueId near = n.b.binary(ElementwiseOp::mul, x, series);
    const ValueId small = n.b.compare(ElementwiseOp::less, z, n.b.scalar(n.b.type(x), 0.01));
    return {n.b.select(small, near, far)};
}
Values cosh(const Node& n) {
    const ValueId e = of(n, UnaryOp::exp, n.in(0));
    return {times(n, n.b.binary(ElementwiseOp::add, e, of(n, UnaryOp::reciprocal, e)), 0.5F)};
}

// atan(x / sqrt(1 - x * x)): the limits come out right because a division by zero is infinite.
ValueId arc_sine(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId one = n.b.scalar(n.b.type(x), 1);
    const ValueId rest =
        n.b.binary(ElementwiseOp::mul, n.b.binary(ElementwiseOp::sub, one, x), add(n, x, 1.0F));
    return of(n, UnaryOp::atan, over(n, x, of(n, UnaryOp::sqrt, rest)));
}
Values asin(const Node& n) {
    return {arc_sine(n)};
}
Values acos(const Node& n) {
    const ValueId half = n.b.scalar(n.b.type(n.in(0)), std::numbers::pi / 2);
    return {n.b.binary(ElementwiseOp::sub, half, arc_sine(n))};
}
// sign(x) * log(|x| + sqrt(x * x + 1))
Values asinh(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId a = of(n, UnaryOp::abs, x);
    const ValueId root = of(n, UnaryOp::sqrt, add(n, n.b.binary(ElementwiseOp::mul, x, x), 1.0F));
    const ValueId value = of(n, UnaryOp::log, n.b.binary(ElementwiseOp::add, a, root));
    return {n.b.binary(ElementwiseOp::mul, of(n, UnaryOp::sign, x), value)};
}
Values acosh(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId root = of(n, UnaryOp::sqrt, add(n, n.b.binary(ElementwiseOp::mul, x, x), -1.0F));
    return {of(n, UnaryOp::log, n.b.binary(ElementwiseOp::add, x, root))};
}
Values atanh(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId one = n.b.scalar(n.b.type(x), 1);
    const ValueId ratio = over(n, add(n, x, 1.0F), n.b.binary(ElementwiseOp::sub, one, x));
    return {times(n, of(n, UnaryOp::log, ratio), 0.5F)};
}

}  // namespace

void add_elementwise(Operators& table) {
    const Operators here{
        {"Abs", unary(UnaryOp::abs)},
        {"Acos", acos},
        {"Acosh", acosh},
        {"Add", binary(ElementwiseOp::add)},
        {"And", logic(ElementwiseOp::bit_and)},
        {"Asin", asin},
        {"Asinh", asinh},
        {"Atan", unary(UnaryOp::atan)},
        {"Atanh", atanh},
        {"BitShift", shift},
        {"BitwiseAnd", binary(ElementwiseOp::bit_and)},
        {"BitwiseOr", binary(ElementwiseOp::bit_or)},
        {"BitwiseXor", binary(ElementwiseOp::bit_xor)},
        {"Cast", cast},
        {"CastLike", cast_like},
        {"Ceil", unary(UnaryOp::ceil)},
        {"Celu", celu},
        {"Clip", clip},
        {"Cos", unary(UnaryOp::cos)},
        {"Cosh", cosh},
        {"Div", binary(ElementwiseOp::div)},
        {"Dropout", dropout},
        {"Elu", with_alpha(UnaryOp::elu, "alpha", 1.0F)},
        {"Equal", compare(ElementwiseOp::equal, false)},
        {"Erf", unary(UnaryOp::erf)},
        {"Exp", unary(UnaryOp::exp)},
        {"Floor", unary(UnaryOp::floor)},
        {"Gelu", gelu},
        {"Greater", compare(ElementwiseOp::less, true)},
        {"GreaterOrEqual", compare(ElementwiseOp::less_equal, true)},
        {"HardSigmoid", hard_sigmoid},
        {"HardSwish", hard_swish},
        {"Identity", identity},
        {"IsInf", is_inf},
        {"IsNaN", is_nan},
        {"LeakyRelu", with_alpha(UnaryOp::leaky_relu, "alpha", 0.01F)},
        {"Less", compare(ElementwiseOp::less, false)},
        {"LessOrEqual", compare(ElementwiseOp::less_equal, false)},
        {"Log", unary(UnaryOp::log)},
        {"Max", variadic(ElementwiseOp::max)},
        {"Mean", mean},
        {"Min", variadic(ElementwiseOp::min)},
        {"Mish", mish},
        {"Mod", modulo},
        {"Mul", binary(ElementwiseOp::mul)},
        {"Neg", unary(UnaryOp::neg)},
        {"Not", unary(UnaryOp::logical_not)},
        {"Or", logic(ElementwiseOp::bit_or)},
        {"PRelu", prelu},
        {"Pow", power},
        {"Reciprocal", unary(UnaryOp::reciprocal)},
        {"Relu", unary(UnaryOp::relu)},
        {"Round", unary(UnaryOp::round)},
        {"Selu", selu},
        {"Shrink", shrink},
        {"Sigmoid", unary(UnaryOp::sigmoid)},
        {"Sign", unary(UnaryOp::sign)},
        {"Sin", unary(UnaryOp::sin)},
        {"Sinh", sinh},
        {"Softplus", unary(UnaryOp::softplus)},
        {"Softsign", softsign},
        {"Sqrt", unary(UnaryOp::sqrt)},
        {"Sub", binary(ElementwiseOp::sub)},
        {"Sum", variadic(ElementwiseOp::add)},
        {"Tan", tangent},
        {"Tanh", unary(UnaryOp::tanh)},
        {"ThresholdedRelu", thresholded_relu},
        {"Where", where},
        {"Xor", logic(ElementwiseOp::bit_xor)},
    };
    table.insert(here.begin(), here.end());
}

}  // namespace accel::compiler
