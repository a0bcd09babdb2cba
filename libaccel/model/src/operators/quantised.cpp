// SPDX-License-Identifier: Apache-2.0
//
// Quantised numbers: q stands for (q - zero) * scale.
#include <algorithm>
#include <bit>
#include <cmath>

#include "operator.hpp"

namespace accel::model {

namespace {

using Values = std::vector<ValueId>;

// A scale or zero point as it broadcasts over x: one value, or one for each index of an axis.
ValueId aligned(const Node& n, ValueId parameter, ValueId x, std::int64_t axis) {
    const Dims& dims = n.b.dims(parameter);
    if (elements(dims) == 1) {
        return n.b.reshape(parameter, {});
    }
    if (dims.size() != 1) {
        refuse("scales in blocks are not supported");
    }
    Dims along(n.b.rank(x), 1);
    along[axis_of(axis, n.b.rank(x))] = dims[0];
    return n.b.reshape(parameter, std::move(along));
}

// (x - zero) * scale
Values dequantize(const Node& n) {
    const ValueId x = n.in(0);
    const std::int64_t axis = n.integer("axis", 1);
    ValueId y = n.b.cast(x, Type::f32);
    if (n.has(2)) {
        y = n.b.binary(ElementwiseOp::sub, y, n.b.cast(aligned(n, n.in(2), x, axis), Type::f32));
    }
    return {n.b.binary(ElementwiseOp::mul, y, aligned(n, n.in(1), x, axis))};
}

// round(x / scale) + zero, held to the range of the type
ValueId quantized(const Node& n, ValueId x, ValueId scale, ValueId zero, Type type) {
    const ValueId steps =
        n.b.map({.op = ElementwiseOp::div, .activation = Activation::round}, {x, scale}, Type::f32);
    return n.b.map({.op = ElementwiseOp::add}, {steps, n.b.cast(zero, Type::f32)}, type);
}

Values quantize(const Node& n) {
    const ValueId x = n.in(0);
    const std::int64_t axis = n.integer("axis", 1);
    const ValueId zero = n.has(2) ? aligned(n, n.in(2), x, axis) : n.b.scalar(Type::u8, 0);
    return {
        quantized(n, n.b.cast(x, Type::f32), aligned(n, n.in(1), x, axis), zero, n.b.type(zero))};
}

// The scale and zero point from the least and the largest.
Values dynamic_quantize(const Node& n) {
    const ValueId x = n.in(0);
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < n.b.rank(x); ++i) {
        all.push_back(i);
    }
    const ValueId zero = n.b.scalar(0.0F);
    const ValueId low =
        n.b.binary(ElementwiseOp::min, n.b.reshape(n.b.reduce(ReduceOp::min, x, all), {}), zero);
    const ValueId high =
        n.b.binary(ElementwiseOp::max, n.b.reshape(n.b.reduce(ReduceOp::max, x, all), {}), zero);
    const ValueId scale = n.b.binary(ElementwiseOp::div, n.b.binary(ElementwiseOp::sub, high, low),
                                     n.b.scalar(255.0F));
    const ValueId steps = n.b.map({.op = ElementwiseOp::div, .activation = Activation::round},
                                  {n.b.unary(Activation::neg, low), scale}, Type::f32);
    const ValueId point = n.b.cast(steps, Type::u8);
    return {quantized(n, x, scale, point, Type::u8), scale, point};
}

// One zero point, known when the model is loaded.
std::int16_t zero_point(const Node& n, std::size_t i) {
    if (!n.has(i)) {
        return 0;
    }
    const std::vector<std::int64_t> values = n.integers(i);
    if (values.empty() || std::ranges::any_of(values, [&](auto z) { return z != values[0]; })) {
        refuse("zero points that differ from channel to channel are not supported");
    }
    return static_cast<std::int16_t>(values[0]);
}

float one(const std::vector<float>& values, const char* what) {
    if (values.size() != 1) {
        refuse(std::string(what) + " is not one number");
    }
    return values[0];
}

// What requantises: an i32 and an f32 for each channel.
ValueId channels(const Node& n, std::int64_t count, const std::vector<std::int64_t>& bias,
                 float x_scale, const std::vector<float>& w_scale, float y_scale) {
    std::vector<std::int64_t> words;
    if ((w_scale.size() != 1 && std::ssize(w_scale) != count) ||
        (!bias.empty() && std::ssize(bias) != count)) {
        refuse("it has not one scale and bias for each channel");
    }
    for (std::size_t c = 0; c < static_cast<std::size_t>(count); ++c) {
        words.push_back(bias.empty() ? 0 : bias[c]);
        const float scale = x_scale * w_scale[w_scale.size() == 1 ? 0 : c] / y_scale;
        words.push_back(std::bit_cast<std::int32_t>(scale));
    }
    return n.b.constant(make_constant(Type::i32, {count, 2}, std::span<const std::int64_t>(words)));
}

Values matmul_integer(const Node& n) {
    return {n.b.matmul({.then = {},
                        .numbers = {.a = n.b.type(n.in(0)),
                                    .b = n.b.type(n.in(1)),
                                    .result = Type::i32,
                                    .a_zero = zero_point(n, 2),
                                    .b_zero = zero_point(n, 3)}},
                       {n.in(0), n.in(1)})};
}

Values qlinear_matmul(const Node& n) {
    const ValueId a = n.in(0);
    const ValueId b = n.in(3);
    return {n.b.matmul({.then = {},
                        .numbers = {.a = n.b.type(a),
                                    .b = n.b.type(b),
                                    .result = n.b.type(n.in(7)),
                                    .a_zero = zero_point(n, 2),
                                    .b_zero = zero_point(n, 5),
                                    .result_zero = zero_point(n, 7),
                                    .requantise = true}},
                       {a, b,
                        channels(n, n.b.length(b, n.b.rank(b) - 1), {}, one(n.floats(1), "a_scale"),
                                 n.floats(4), one(n.floats(6), "y_scale"))})};
}

Values conv_integer(const Node& n) {
    return conv_of(n, n.in(0), n.in(1),
                   {.a = n.b.type(n.in(0)),
                    .b = n.b.type(n.in(1)),
                    .result = Type::i32,
                    .a_zero = zero_point(n, 2),
                    .b_zero = zero_point(n, 3)},
                   {});
}

Values qlinear_conv(const Node& n) {
    const ValueId w = n.in(3);
    return conv_of(
        n, n.in(0), w,
        {.a = n.b.type(n.in(0)),
         .b = n.b.type(w),
         .result = n.b.type(n.in(7)),
         .a_zero = zero_point(n, 2),
         .b_zero = zero_point(n, 5),
         .result_zero = zero_point(n, 7),
         .requantise = true},
        {channels(n, n.b.length(w, 0), n.has(8) ? n.integers(8) : std::vector<std::int64_t>(),
                  one(n.floats(1), "x_scale"), n.floats(4), one(n.floats(6), "y_scale"))});
}

}  // namespace

void add_quantised(Operators& table) {
    const Operators here{
        {"ConvInteger", conv_integer},
        {"DequantizeLinear", dequantize},
        {"DynamicQuantizeLinear", dynamic_quantize},
        {"MatMulInteger", matmul_integer},
        {"QLinearConv", qlinear_conv},
        {"QLinearMatMul", qlinear_matmul},
        {"QuantizeLinear", quantize},
    };
    table.insert(here.begin(), here.end());
}

}  // namespace accel::model
