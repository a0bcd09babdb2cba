// SPDX-License-Identifier: Apache-2.0
//
// Quantized operators: an integer q represents (q - zero_point) * scale.
#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/contrib.hpp"
#include "frontend/operators/quantized.hpp"
#include "frontend/operators/windows.hpp"

namespace accel::compiler {

std::int16_t zero_point(const Node& n, std::size_t i) {
    if (!n.has(i)) {
        return 0;
    }
    const std::vector<std::int64_t> values = n.integers(i);
    if (values.empty() || std::ranges::any_of(values, [&](auto z) { return z != values[0]; })) {
        refuse("a different zero point for each channel is not supported");
    }
    return static_cast<std::int16_t>(values[0]);
}

float single(const std::vector<float>& values, const char* what) {
    if (values.size() != 1) {
        refuse("its input " + std::string(what) + " has " + std::to_string(values.size()) +
               " elements, not one");
    }
    return values[0];
}

ValueId bias_and_scales(const Node& n, std::int64_t count, const std::vector<std::int64_t>& bias,
                        float x_scale, const std::vector<float>& w_scale, float y_scale) {
    std::vector<std::int64_t> words;
    if ((w_scale.size() != 1 && std::ssize(w_scale) != count) ||
        (!bias.empty() && std::ssize(bias) != count)) {
        refuse("it does not have one scale and one bias for each of its " + std::to_string(count) +
               " channels");
    }
    for (std::size_t c = 0; c < static_cast<std::size_t>(count); ++c) {
        words.push_back(bias.empty() ? 0 : bias[c]);
        const float scale = x_scale * w_scale[w_scale.size() == 1 ? 0 : c] / y_scale;
        words.push_back(std::bit_cast<std::int32_t>(scale));
    }
    return n.b.constant(
        make_constant(DataType::i32, {count, 2}, std::span<const std::int64_t>(words)));
}

namespace {

// round(x / scale) + zero_point, saturated to the range of the type
ValueId quantized(const Node& n, ValueId x, ValueId scale, ValueId zero, DataType type) {
    const ValueId steps = n.b.elementwise({.op = ElementwiseOp::div, .activation = UnaryOp::round},
                                          {x, scale}, DataType::f32);
    return n.b.elementwise({.op = ElementwiseOp::add}, {steps, n.b.cast(zero, DataType::f32)},
                           type);
}

// Computes the scale and zero point from the smallest and the largest element.
Values dynamic_quantize(const Node& n) {
    const ValueId x = n.in(0);
    const std::vector<std::size_t> all = all_axes(n.b.rank(x));
    const ValueId zero = n.b.scalar(0.0F);
    const ValueId low =
        n.b.binary(ElementwiseOp::min, n.b.reshape(n.b.reduce(ReduceOp::min, x, all), {}), zero);
    const ValueId high =
        n.b.binary(ElementwiseOp::max, n.b.reshape(n.b.reduce(ReduceOp::max, x, all), {}), zero);
    const ValueId scale = div(n, sub(n, high, low), n.b.scalar(255.0F));
    const ValueId steps = n.b.elementwise({.op = ElementwiseOp::div, .activation = UnaryOp::round},
                                          {n.b.unary(UnaryOp::neg, low), scale}, DataType::f32);
    const ValueId point = n.b.cast(steps, DataType::u8);
    return {quantized(n, x, scale, point, DataType::u8), scale, point};
}

std::optional<ValueId> optional_zero(const Node& n, std::size_t i) {
    return n.has(i) ? std::optional(n.in(i)) : std::nullopt;
}

// One command, if each operand has one zero point.
Values qlinear_matmul(const Node& n) {
    const ValueId a = n.in(0);
    const ValueId b = n.in(3);
    const std::vector<std::int64_t> zeros = n.integers(5);
    if (std::ranges::any_of(zeros, [&](auto zero) { return zero != zeros[0]; })) {
        const ValueId y =
            dequantized_product(n, {.value = a, .scale = n.in(1), .zero = optional_zero(n, 2)},
                                {.value = b, .scale = n.in(4), .zero = optional_zero(n, 5)});
        return {
            quantized(n, y, n.b.reshape(n.in(6), {}), n.b.reshape(n.in(7), {}), n.b.type(n.in(7)))};
    }
    return {n.b.matmul(
        {.epilogue = {},
         .format = {.a_type = n.b.type(a),
                    .b_type = n.b.type(b),
                    .result_type = n.b.type(n.in(7)),
                    .a_zero_point = zero_point(n, 2),
                    .b_zero_point = zero_point(n, 5),
                    .result_zero_point = zero_point(n, 7),
                    .requantize = true}},
        {a, b,
         bias_and_scales(n, n.b.length(b, n.b.rank(b) - 1), {}, single(n.floats(1), "a_scale"),
                         n.floats(4), single(n.floats(6), "y_scale"))})};
}

// Weights with a zero point for each channel: a convolution of integers, whose sums are scaled in
// f32 and rounded.
Values qlinear_conv_by_sums(const Node& n) {
    ValueId sum = lowered_as(n, "ConvInteger", {n.in(0), n.in(3), n.in(2), n.in(5)})[0];
    Dims channels(n.b.rank(sum) - 1, 1);
    channels[0] = n.b.dims(sum)[1];
    const auto of_channels = [&](ValueId x) {
        Dims dims = channels;
        dims[0] = elements(n.b.dims(x));
        if (dims[0] != 1 && dims[0] != channels[0]) {
            refuse("it has " + std::to_string(dims[0]) + " scales or biases for " +
                   std::to_string(channels[0]) + " channels");
        }
        return n.b.reshape(x, std::move(dims));
    };
    if (n.has(8)) {
        sum = add(n, sum, of_channels(n.in(8)));
    }
    const ValueId scale =
        div(n, mul(n, of_channels(n.in(4)), n.b.reshape(n.in(1), {})), n.b.reshape(n.in(6), {}));
    const ValueId steps = n.b.elementwise({.op = ElementwiseOp::mul, .activation = UnaryOp::round},
                                          {n.b.cast(sum, DataType::f32), scale}, DataType::f32);
    return {n.b.elementwise({.op = ElementwiseOp::add},
                            {steps, n.b.cast(n.b.reshape(n.in(7), {}), DataType::f32)},
                            n.b.type(n.in(7)))};
}

Values qlinear_conv(const Node& n) {
    const ValueId w = n.in(3);
    const auto zeros = n.has(5) ? n.integers(5) : std::vector<std::int64_t>();
    if (std::ranges::any_of(zeros, [&](auto zero) { return zero != zeros[0]; })) {
        return qlinear_conv_by_sums(n);
    }
    return convolve_node(
        n, n.in(0), w,
        {.a_type = n.b.type(n.in(0)),
         .b_type = n.b.type(w),
         .result_type = n.b.type(n.in(7)),
         .a_zero_point = zero_point(n, 2),
         .b_zero_point = zero_point(n, 5),
         .result_zero_point = zero_point(n, 7),
         .requantize = true},
        {bias_and_scales(
            n, n.b.length(w, 0), n.has(8) ? n.integers(8) : std::vector<std::int64_t>(),
            single(n.floats(1), "x_scale"), n.floats(4), single(n.floats(6), "y_scale"))});
}

}  // namespace

void add_quantized(OperatorTable& table) {
    table.add({
        {"DynamicQuantizeLinear", {11}, dynamic_quantize},
        {"QLinearConv", {10}, qlinear_conv},
        {"QLinearMatMul", {10}, qlinear_matmul},
    });
}

}  // namespace accel::compiler
