// SPDX-License-Identifier: Apache-2.0
//
// Quantized numbers: q stands for (q - zero) * scale.
#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "frontend/operators/windows.hpp"

namespace accel::compiler {

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

// Known, and of bytes with one zero point: what products of bytes can use.
std::optional<Twin> twin(const Node& n, ValueId other, DataType bytes, std::size_t rank) {
    const Constant scale = n.b.value(n.in(1)).constant;
    const Constant zero = n.has(2) ? n.b.value(n.in(2)).constant : nullptr;
    if (!scale || scale->type != DataType::f32 || (n.has(2) && !zero) ||
        (bytes != DataType::i8 && bytes != DataType::u8)) {
        return std::nullopt;
    }
    const std::vector<std::int64_t> zeros = zero ? zero->integers() : std::vector<std::int64_t>{0};
    if (zeros.empty() || std::ranges::any_of(zeros, [&](auto z) { return z != zeros[0]; })) {
        return std::nullopt;
    }
    const std::vector<float> scales = scale->floats();
    return Twin{.other = other,
                .scales = scales,
                .zero = static_cast<std::int16_t>(zeros[0]),
                .axis = scales.size() == 1 ? 0 : axis_of(n.integer("axis", 1), rank)};
}

// (x - zero) * scale
Values dequantize(const Node& n) {
    const ValueId x = n.in(0);
    const std::int64_t axis = n.integer("axis", 1);
    const auto stands = twin(n, x, n.b.type(x), n.b.rank(x));
    ValueId y = x;
    if (n.has(2) && !(stands && stands->zero == 0)) {
        y = n.b.map({.op = ElementwiseOp::sub}, {y, aligned(n, n.in(2), x, axis)}, DataType::i32);
    }
    y = n.b.binary(ElementwiseOp::mul, n.b.cast(y, DataType::f32), aligned(n, n.in(1), x, axis));
    if (stands) {
        n.b.stands_for(y, *stands);
    }
    return {y};
}

// round(x / scale) + zero, held to the range of the type
ValueId quantized(const Node& n, ValueId x, ValueId scale, ValueId zero, DataType type) {
    const ValueId steps = n.b.map({.op = ElementwiseOp::div, .activation = UnaryOp::round},
                                  {x, scale}, DataType::f32);
    return n.b.map({.op = ElementwiseOp::add}, {steps, n.b.cast(zero, DataType::f32)}, type);
}

// The same elements in another order or shape are quantized before that, where what made them can
// give bytes at once.
ValueId quantized_below(const Node& n, ValueId x, const Twin& as, ValueId scale, ValueId zero) {
    const Instruction* const maker = n.b.maker(x);
    ValueId y = 0;
    if (maker != nullptr && std::holds_alternative<Reshape>(maker->operation)) {
        y = n.b.reshape(quantized_below(n, maker->in[0], as, scale, zero), n.b.dims(x));
    } else if (maker != nullptr && std::holds_alternative<Permute>(maker->operation)) {
        const auto axes = std::get<Permute>(maker->operation).axes;
        y = n.b.permute(quantized_below(n, maker->in[0], as, scale, zero), axes);
    } else {
        y = quantized(n, x, scale, zero, n.b.type(zero));
    }
    Twin stands = as;
    stands.other = x;
    n.b.stands_for(y, std::move(stands));
    return y;
}

Values quantize(const Node& n) {
    const ValueId x = n.in(0);
    const std::int64_t axis = n.integer("axis", 1);
    const ValueId zero = n.has(2) ? aligned(n, n.in(2), x, axis) : n.b.scalar(DataType::u8, 0);
    const ValueId scale = aligned(n, n.in(1), x, axis);
    const DataType type = n.b.type(zero);
    const auto stands = twin(n, x, type, n.b.rank(x));
    if (!stands || stands->scales.size() != 1 || n.b.type(x) != DataType::f32) {
        return {quantized(n, n.b.cast(x, DataType::f32), scale, zero, type)};
    }
    const auto& before = n.b.value(x).twin;
    if (before && n.b.type(before->other) == type && before->scales == stands->scales &&
        before->zero == stands->zero) {
        return {before->other};
    }
    return {quantized_below(n, x, *stands, scale, zero)};
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
    const ValueId steps = n.b.map({.op = ElementwiseOp::div, .activation = UnaryOp::round},
                                  {n.b.unary(UnaryOp::neg, low), scale}, DataType::f32);
    const ValueId point = n.b.cast(steps, DataType::u8);
    return {quantized(n, x, scale, point, DataType::u8), scale, point};
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

// What requantizes: an i32 and an f32 for each channel.
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
    return n.b.constant(
        make_constant(DataType::i32, {count, 2}, std::span<const std::int64_t>(words)));
}

// A zero point of the first operand that a run decides, as DynamicQuantizeLinear makes it.
std::optional<ValueId> open_zero(const Node& n) {
    if (!n.has(2) || n.b.value(n.in(2)).constant) {
        return std::nullopt;
    }
    if (elements(n.b.dims(n.in(2))) != 1) {
        refuse("zero points that differ from row to row are not supported");
    }
    return n.b.reshape(n.in(2), {});
}

// For each channel the sum of its weights: what a zero point is multiplied with. `axis` counts
// channels; the result broadcasts over [..., channels, after it `behind` dimensions].
ValueId sums_of_weights(const Node& n, ValueId weights, std::size_t axis, std::size_t behind) {
    const ValueId w = n.b.binary(ElementwiseOp::sub, n.b.cast(weights, DataType::i32),
                                 n.b.scalar(DataType::i32, zero_point(n, 3)));
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

// (a - zero) * b = a * b - zero * the sum of b, exactly.
ValueId minus_zero(const Node& n, ValueId product, ValueId zero, ValueId sums) {
    const ValueId part = n.b.binary(ElementwiseOp::mul, sums, n.b.cast(zero, DataType::i32));
    return n.b.binary(ElementwiseOp::sub, product, part);
}

Values matmul_integer(const Node& n) {
    const auto open = open_zero(n);
    const ValueId b = n.in(1);
    const ValueId product =
        n.b.matmul({.then = {},
                    .format = {.a_type = n.b.type(n.in(0)),
                               .b_type = n.b.type(b),
                               .result_type = DataType::i32,
                               .a_zero_point = open ? std::int16_t{0} : zero_point(n, 2),
                               .b_zero_point = zero_point(n, 3)}},
                   {n.in(0), b});
    if (!open) {
        return {product};
    }
    if (n.b.rank(b) != 2) {
        refuse("a zero point that a run decides is not supported for batches of weights");
    }
    return {minus_zero(n, product, *open, sums_of_weights(n, b, 1, 0))};
}

Values qlinear_matmul(const Node& n) {
    const ValueId a = n.in(0);
    const ValueId b = n.in(3);
    return {n.b.matmul({.then = {},
                        .format = {.a_type = n.b.type(a),
                                   .b_type = n.b.type(b),
                                   .result_type = n.b.type(n.in(7)),
                                   .a_zero_point = zero_point(n, 2),
                                   .b_zero_point = zero_point(n, 5),
                                   .result_zero_point = zero_point(n, 7),
                                   .requantize = true}},
                       {a, b,
                        channels(n, n.b.length(b, n.b.rank(b) - 1), {}, one(n.floats(1), "a_scale"),
                                 n.floats(4), one(n.floats(6), "y_scale"))})};
}

// The image with its padding, which stands for zero and so is the zero point.
ValueId padded_with(const Node& n, ValueId x, const std::vector<WindowAxis>& axes, ValueId zero) {
    Dims before(n.b.rank(x), 0);
    Dims after(n.b.rank(x), 0);
    bool any = false;
    for (std::size_t i = 0; i < axes.size(); ++i) {
        const std::int64_t wanted = (axes[i].result - 1) * axes[i].stride + axes[i].reach();
        before[i + 2] = axes[i].before;
        after[i + 2] = std::max<std::int64_t>(wanted - axes[i].before - n.b.dims(x)[i + 2], 0);
        any = any || before[i + 2] != 0 || after[i + 2] != 0;
    }
    if (!any) {
        return x;
    }
    Dims inside = n.b.dims(x);
    inside[0] = inside[1] = 1;
    if (elements(inside) > most_listed) {
        refuse("its image is too large: " + to_string(n.b.dims(x)));
    }
    const ValueId ones = n.b.broadcast(n.b.scalar(DataType::boolean, 1), inside);
    const ValueId mask = n.b.pad(ones, before, after, n.b.scalar(DataType::boolean, 0));
    const DataType type = n.b.type(x);
    return n.b.select(mask, n.b.pad(x, before, after, n.b.scalar(type, 0)), n.b.cast(zero, type));
}

Values conv_integer(const Node& n) {
    const auto open = open_zero(n);
    const NumericFormat format{.a_type = n.b.type(n.in(0)),
                               .b_type = n.b.type(n.in(1)),
                               .result_type = DataType::i32,
                               .a_zero_point = open ? std::int16_t{0} : zero_point(n, 2),
                               .b_zero_point = zero_point(n, 3)};
    if (!open) {
        return conv_of(n, n.in(0), n.in(1), format, {});
    }
    const Dims lengths = spatial(n.b.dims(n.in(0)));
    std::vector<WindowAxis> axes = window_axes(n, lengths, spatial(n.b.dims(n.in(1))));
    const ValueId x = padded_with(n, n.in(0), axes, *open);
    for (WindowAxis& axis : axes) {
        axis.before = 0;
    }
    const ValueId product = conv_over(n, x, n.in(1), axes, format, {});
    return {minus_zero(n, product, *open, sums_of_weights(n, n.in(1), 0, lengths.size()))};
}

Values qlinear_conv(const Node& n) {
    const ValueId w = n.in(3);
    return conv_of(
        n, n.in(0), w,
        {.a_type = n.b.type(n.in(0)),
         .b_type = n.b.type(w),
         .result_type = n.b.type(n.in(7)),
         .a_zero_point = zero_point(n, 2),
         .b_zero_point = zero_point(n, 5),
         .result_zero_point = zero_point(n, 7),
         .requantize = true},
        {channels(n, n.b.length(w, 0), n.has(8) ? n.integers(8) : std::vector<std::int64_t>(),
                  one(n.floats(1), "x_scale"), n.floats(4), one(n.floats(6), "y_scale"))});
}

}  // namespace

void add_quantized(Operators& table) {
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

}  // namespace accel::compiler
