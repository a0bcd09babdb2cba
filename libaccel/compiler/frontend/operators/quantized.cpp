// SPDX-License-Identifier: Apache-2.0
//
// Quantized operators: an integer q represents (q - zero_point) * scale.
#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/windows.hpp"

namespace accel::compiler {

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

// A constant zero point.
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

// The third operand of a requantizing product: an i32 bias and an f32 scale for each channel.
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

// The zero point of the first operand if it is computed in each run, as by DynamicQuantizeLinear.
std::optional<ValueId> dynamic_zero_point(const Node& n) {
    if (!n.has(2) || n.b.value(n.in(2)).constant) {
        return std::nullopt;
    }
    if (elements(n.b.dims(n.in(2))) != 1) {
        refuse("a different zero point for each row is not supported");
    }
    return n.b.reshape(n.in(2), {});
}

// The sum of the weights of each channel, by which a zero point is multiplied. `axis` counts
// channels. The result broadcasts over channels with `behind` dimensions behind them.
ValueId sums_of_weights(const Node& n, ValueId weights, std::size_t axis, std::size_t behind) {
    const ValueId w =
        sub(n, n.b.cast(weights, DataType::i32), n.b.scalar(DataType::i32, zero_point(n, 3)));
    std::vector<std::size_t> axes;
    for (std::size_t i = 0; i < n.b.rank(w); ++i) {
        if (i != axis) {
            axes.push_back(i);
        }
    }
    Dims dims(behind + 1, 1);
    dims[0] = n.b.dims(weights)[axis];
    return n.b.reshape(reduce_integers(n, ReduceOp::sum, w, axes), std::move(dims));
}

// (a - zero_point) * b = a * b - zero_point * sum(b), exactly.
ValueId subtract_zero_point(const Node& n, ValueId product, ValueId zero, ValueId sums) {
    const ValueId part = mul(n, sums, n.b.cast(zero, DataType::i32));
    return sub(n, product, part);
}

Values matmul_integer(const Node& n) {
    const auto dynamic = dynamic_zero_point(n);
    const ValueId b = n.in(1);
    const ValueId product =
        n.b.matmul({.epilogue = {},
                    .format = {.a_type = n.b.type(n.in(0)),
                               .b_type = n.b.type(b),
                               .result_type = DataType::i32,
                               .a_zero_point = dynamic ? std::int16_t{0} : zero_point(n, 2),
                               .b_zero_point = zero_point(n, 3)}},
                   {n.in(0), b});
    if (!dynamic) {
        return {product};
    }
    if (n.b.rank(b) != 2) {
        refuse("a computed zero point is not supported with weights of " +
               std::to_string(n.b.rank(b)) + " dimensions");
    }
    return {subtract_zero_point(n, product, *dynamic, sums_of_weights(n, b, 1, 0))};
}

Values qlinear_matmul(const Node& n) {
    const ValueId a = n.in(0);
    const ValueId b = n.in(3);
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

// Pads the image by its zero point, which represents zero.
ValueId padded_with(const Node& n, ValueId x, const std::vector<WindowAxis>& axes, ValueId zero) {
    Dims before(n.b.rank(x), 0);
    Dims after(n.b.rank(x), 0);
    bool any = false;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        before[i + 2] = axes[i].before;
        after[i + 2] = axes[i].after(n.b.dims(x)[i + 2]);
        any = any || before[i + 2] != 0 || after[i + 2] != 0;
    }
    if (!any) {
        return x;
    }
    Dims inside = n.b.dims(x);
    inside[0] = inside[1] = 1;
    if (elements(inside) > max_listed) {
        refuse("its image " + to_string(n.b.dims(x)) + " has more than " +
               std::to_string(max_listed) + " pixels");
    }
    const ValueId ones = n.b.broadcast(n.b.scalar(DataType::boolean, 1), inside);
    const ValueId mask = n.b.pad(ones, before, after, n.b.scalar(DataType::boolean, 0));
    const DataType type = n.b.type(x);
    return n.b.select(mask, n.b.pad(x, before, after, n.b.scalar(type, 0)), n.b.cast(zero, type));
}

Values conv_integer(const Node& n) {
    const auto dynamic = dynamic_zero_point(n);
    const NumericFormat format{.a_type = n.b.type(n.in(0)),
                               .b_type = n.b.type(n.in(1)),
                               .result_type = DataType::i32,
                               .a_zero_point = dynamic ? std::int16_t{0} : zero_point(n, 2),
                               .b_zero_point = zero_point(n, 3)};
    if (!dynamic) {
        return convolve_node(n, n.in(0), n.in(1), format, {});
    }
    const Dims lengths = spatial(n.b.dims(n.in(0)));
    std::vector<WindowAxis> axes = window_axes(n, lengths, spatial(n.b.dims(n.in(1))));
    const ValueId x = padded_with(n, n.in(0), axes, *dynamic);
    for (WindowAxis& axis : axes) {
        axis.before = 0;
    }
    const ValueId product = convolve_axes(n, x, n.in(1), axes, format, {});
    return {
        subtract_zero_point(n, product, *dynamic, sums_of_weights(n, n.in(1), 0, lengths.size()))};
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
        {"ConvInteger", {10}, conv_integer},
        {"DynamicQuantizeLinear", {11}, dynamic_quantize},
        {"MatMulInteger", {10}, matmul_integer},
        {"QLinearConv", {10}, qlinear_conv},
        {"QLinearMatMul", {10}, qlinear_matmul},
    });
}

}  // namespace accel::compiler
