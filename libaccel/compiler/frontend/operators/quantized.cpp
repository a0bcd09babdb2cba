// SPDX-License-Identifier: Apache-2.0
//
// Quantized operators: an integer q represents (q - zero_point) * scale.
#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "frontend/onnx_tensor.hpp"
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

// Shapes a scale or zero point so that it broadcasts over x: one value, or one for each index of an
// axis.
ValueId aligned(const Node& n, ValueId parameter, ValueId x, std::int64_t axis) {
    const Dims& dims = n.b.dims(parameter);
    if (elements(dims) == 1) {
        return n.b.reshape(parameter, {});
    }
    if (dims.size() != 1) {
        refuse("blocked quantization is not supported", "use one scale for each channel");
    }
    Dims along(n.b.rank(x), 1);
    along[normalize_axis(axis, n.b.rank(x))] = dims[0];
    return n.b.reshape(parameter, std::move(along));
}

// The parameters of a node if an int8 product can use them: constant, with one zero point.
std::optional<QuantParams> quant_params(const Node& n, ValueId counterpart, DataType quantized,
                                        std::size_t rank) {
    const Constant scale = n.b.value(n.in(1)).constant;
    const Constant zero = n.has(2) ? n.b.value(n.in(2)).constant : nullptr;
    if (!scale || scale->type != DataType::f32 || (n.has(2) && !zero) ||
        (quantized != DataType::i8 && quantized != DataType::u8)) {
        return std::nullopt;
    }
    const std::vector<std::int64_t> zeros = zero ? zero->integers() : std::vector<std::int64_t>{0};
    if (zeros.empty() || std::ranges::any_of(zeros, [&](auto z) { return z != zeros[0]; })) {
        return std::nullopt;
    }
    const std::vector<float> scales = scale->floats();
    return QuantParams{.counterpart = counterpart,
                       .scales = scales,
                       .zero_point = static_cast<std::int16_t>(zeros[0]),
                       .axis = scales.size() == 1 ? 0 : normalize_axis(n.integer("axis", 1), rank)};
}

// The data type that the attribute output_dtype states, if the node has it.
DataType stated_type(const Node& n, DataType otherwise) {
    const std::int64_t stated = n.integer("output_dtype", 0);
    return stated == 0 ? otherwise : n.b.compute_type(data_type_of(stated));
}

// (x - zero_point) * scale, computed in f32
Values dequantize(const Node& n) {
    const ValueId x = n.in(0);
    const std::int64_t axis = n.integer("axis", 1);
    const auto params = quant_params(n, x, n.b.type(x), n.b.rank(x));
    ValueId y = x;
    if (n.has(2) && !(params && params->zero_point == 0)) {
        y = n.b.elementwise({.op = ElementwiseOp::sub}, {y, aligned(n, n.in(2), x, axis)},
                            DataType::i32);
    }
    y = mul(n, n.b.cast(y, DataType::f32), aligned(n, n.in(1), x, axis));
    if (params) {
        n.b.set_quant_params(y, *params);
    }
    return {n.b.cast(y, stated_type(n, n.b.type(n.in(1))))};
}

// round(x / scale) + zero_point, saturated to the range of the type
ValueId quantized(const Node& n, ValueId x, ValueId scale, ValueId zero, DataType type) {
    const ValueId steps = n.b.elementwise({.op = ElementwiseOp::div, .activation = UnaryOp::round},
                                          {x, scale}, DataType::f32);
    return n.b.elementwise({.op = ElementwiseOp::add}, {steps, n.b.cast(zero, DataType::f32)},
                           type);
}

// Quantizes x before views that only reorder or reshape it. The producer of the source can then
// store quantized elements at once.
ValueId quantize_before_views(const Node& n, ValueId x, const QuantParams& params, ValueId scale,
                              ValueId zero) {
    const Instruction* const producer = n.b.producer(x);
    ValueId y = 0;
    if (producer != nullptr && std::holds_alternative<op::Reshape>(producer->operation)) {
        y = n.b.reshape(quantize_before_views(n, producer->operands[0], params, scale, zero),
                        n.b.dims(x));
    } else if (producer != nullptr && std::holds_alternative<op::Permute>(producer->operation)) {
        const auto axes = std::get<op::Permute>(producer->operation).axes;
        y = n.b.permute(quantize_before_views(n, producer->operands[0], params, scale, zero), axes);
    } else {
        y = quantized(n, x, scale, zero, n.b.type(zero));
    }
    QuantParams own = params;
    own.counterpart = x;
    n.b.set_quant_params(y, std::move(own));
    return y;
}

Values quantize(const Node& n) {
    const ValueId x = n.in(0);
    const std::int64_t axis = n.integer("axis", 1);
    const std::int64_t precision = n.integer("precision", 0);
    if (precision != 0 && data_type_of(precision) != DataType::f32) {
        refuse("its precision is not FLOAT", "set precision to 1, or remove it");
    }
    const ValueId zero =
        n.has(2) ? aligned(n, n.in(2), x, axis) : n.b.scalar(stated_type(n, DataType::u8), 0);
    const ValueId scale = aligned(n, n.in(1), x, axis);
    const DataType type = n.b.type(zero);
    const auto params = quant_params(n, x, type, n.b.rank(x));
    if (!params || params->scales.size() != 1 || n.b.type(x) != DataType::f32) {
        return {quantized(n, n.b.cast(x, DataType::f32), scale, zero, type)};
    }
    // Quantizing a dequantized value with the same parameters gives the original.
    const auto& before = n.b.value(x).quant;
    if (before && n.b.type(before->counterpart) == type && before->scales == params->scales &&
        before->zero_point == params->zero_point) {
        return {before->counterpart};
    }
    return {quantize_before_views(n, x, *params, scale, zero)};
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

Values qlinear_conv(const Node& n) {
    const ValueId w = n.in(3);
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
        {"DequantizeLinear", {10}, dequantize},
        {"DynamicQuantizeLinear", {11}, dynamic_quantize},
        {"QLinearConv", {10}, qlinear_conv},
        {"QLinearMatMul", {10}, qlinear_matmul},
        {"QuantizeLinear", {10}, quantize},
    });
}

}  // namespace accel::compiler
