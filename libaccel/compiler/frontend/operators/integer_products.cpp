// SPDX-License-Identifier: Apache-2.0
//
// MatMulInteger and ConvInteger: products of 8-bit integers less their zero points, as i32. The
// engines subtract one zero point from each operand. Others are subtracted from the product, where
// sums of the other operand multiply them.
#include <algorithm>
#include <optional>

#include "frontend/operators/quantized.hpp"
#include "frontend/operators/windows.hpp"

namespace accel::compiler {

namespace {

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

// The sum of the weights, less their zero point, of each channel, by which the zero point of the
// other operand is multiplied. `axis` counts channels. The result broadcasts over channels with
// `behind` dimensions behind them.
ValueId sums_of_weights(const Node& n, ValueId weights, std::int16_t zero, std::size_t axis,
                        std::size_t behind) {
    const ValueId w = sub(n, n.b.cast(weights, DataType::i32), n.b.scalar(DataType::i32, zero));
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

// Whether the zero points of an input are known and equal.
bool is_uniform(const Node& n, std::size_t i) {
    if (!n.has(i)) {
        return true;
    }
    const Constant known = n.b.value(n.in(i)).constant;
    if (!known) {
        return false;
    }
    const std::vector<std::int64_t> values = known->integers();
    return !values.empty() && std::ranges::all_of(values, [&](auto z) { return z == values[0]; });
}

NumericFormat plain_format(const Node& n, ValueId a, ValueId b) {
    return {.a_type = n.b.type(a), .b_type = n.b.type(b), .result_type = DataType::i32};
}

// The zero points of an input as i32, shaped to broadcast over a product: one for each row, or one
// for each column.
ValueId spread_zero_points(const Node& n, std::size_t i, bool rows) {
    const ValueId zero = n.b.cast(n.in(i), DataType::i32);
    if (n.b.rank(zero) != 1 || !rows) {
        return zero;
    }
    return n.b.reshape(zero, {n.b.dims(zero)[0], 1});
}

// (a - za) * (b - zb) = a * b - za * (sums of columns of b) - (sums of rows of a) * zb + k * za *
// zb
Values matmul_integer_by_sums(const Node& n) {
    const ValueId a = n.in(0);
    const ValueId b = n.in(1);
    ValueId sum = n.b.matmul({.epilogue = {}, .format = plain_format(n, a, b)}, {a, b});
    const std::int64_t k = n.b.dims(a).back();
    const auto ones = [&](DataType type, const Dims& dims) {
        return n.b.broadcast(n.b.scalar(type, 1), dims);
    };
    if (n.has(2)) {
        const ValueId row = ones(n.b.type(a), {1, k});
        const ValueId columns =
            n.b.matmul({.epilogue = {}, .format = plain_format(n, row, b)}, {row, b});
        sum = sub(n, sum, mul(n, columns, spread_zero_points(n, 2, true)));
    }
    if (n.has(3)) {
        const ValueId column = ones(n.b.type(b), {k, 1});
        ValueId rows =
            n.b.matmul({.epilogue = {}, .format = plain_format(n, a, column)}, {a, column});
        if (n.has(2)) {
            const ValueId all = n.b.scalar(DataType::i32, static_cast<double>(k));
            rows = sub(n, rows, mul(n, spread_zero_points(n, 2, true), all));
        }
        sum = sub(n, sum, mul(n, rows, spread_zero_points(n, 3, false)));
    }
    return {sum};
}

Values matmul_integer_of_matrices(const Node& n) {
    const bool one_row = !n.has(2) || elements(n.b.dims(n.in(2))) == 1;
    const bool plain = is_uniform(n, 2) || (one_row && n.b.rank(n.in(1)) == 2);
    if ((!plain || !is_uniform(n, 3)) && n.b.rank(n.in(0)) >= 2 && n.b.rank(n.in(1)) >= 2) {
        return matmul_integer_by_sums(n);
    }
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
    return {
        subtract_zero_point(n, product, *dynamic, sums_of_weights(n, b, zero_point(n, 3), 1, 0))};
}

// A vector is a matrix of one row on the left, and of one column on the right.
Values matmul_integer(const Node& n) {
    const bool row = n.b.rank(n.in(0)) == 1;
    const bool column = n.b.rank(n.in(1)) == 1;
    if (!row && !column) {
        return matmul_integer_of_matrices(n);
    }
    Node::Inputs inputs;
    for (std::size_t i = 0; i < n.count(); ++i) {
        inputs.push_back(n.has(i) ? std::optional(n.in(i)) : std::nullopt);
    }
    if (row) {
        inputs[0] = n.b.reshape(n.in(0), {1, n.b.length(n.in(0), 0)});
    }
    if (column) {
        inputs[1] = n.b.reshape(n.in(1), {n.b.length(n.in(1), 0), 1});
    }
    const ValueId y =
        matmul_integer_of_matrices(Node(n.proto(), n.b, std::move(inputs), n.opset()))[0];
    Dims dims = n.b.dims(y);
    if (column) {
        dims.pop_back();
    }
    if (row) {
        dims.erase(dims.end() - (column ? 1 : 2));
    }
    return {n.b.reshape(y, std::move(dims))};
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

// The convolution by weights of one zero point.
ValueId integer_convolution(const Node& n, ValueId weights, std::int16_t weight_zero) {
    const auto dynamic = dynamic_zero_point(n);
    NumericFormat format = plain_format(n, n.in(0), weights);
    format.a_zero_point = dynamic ? std::int16_t{0} : zero_point(n, 2);
    format.b_zero_point = weight_zero;
    const Dims lengths = spatial(n.b.dims(n.in(0)));
    std::vector<WindowAxis> axes = window_axes(n, lengths, spatial(n.b.dims(weights)));
    if (!dynamic) {
        return convolve_axes(n, n.in(0), weights, axes, format, {});
    }
    const ValueId x = padded_with(n, n.in(0), axes, *dynamic);
    for (WindowAxis& axis : axes) {
        axis.before = 0;
    }
    const ValueId product = convolve_axes(n, x, weights, axes, format, {});
    return subtract_zero_point(n, product, *dynamic,
                               sums_of_weights(n, weights, weight_zero, 0, lengths.size()));
}

// With a zero point z of the weights for each channel: conv(x, w - z) = conv(x, w) - z * conv(x,
// 1). Weights of ones give one sum for each group of channels.
Values conv_integer(const Node& n) {
    const ValueId w = n.in(1);
    if (is_uniform(n, 3)) {
        return {integer_convolution(n, w, zero_point(n, 3))};
    }
    const std::int64_t channels = n.b.length(w, 0);
    const std::int64_t groups = n.integer("group", 1);
    const std::int64_t zeros = elements(n.b.dims(n.in(3)));
    if (groups < 1 || channels % groups != 0 || (zeros != channels && zeros != 1)) {
        refuse("it has " + std::to_string(zeros) + " zero points for " + std::to_string(channels) +
               " channels");
    }
    Dims ones = n.b.dims(w);
    ones[0] = groups;
    const ValueId product = integer_convolution(n, w, 0);
    const ValueId sums = integer_convolution(n, n.b.broadcast(n.b.scalar(n.b.type(w), 1), ones), 0);
    Dims grouped = n.b.dims(sums);  // [n, groups, ...]
    Dims whole = n.b.dims(product);
    Dims zero_dims(whole.size() - 1, 1);
    zero_dims[0] = zeros;
    grouped.insert(grouped.begin() + 2, 1);
    Dims spread = grouped;
    spread[2] = channels / groups;
    const ValueId each = n.b.reshape(n.b.broadcast(n.b.reshape(sums, grouped), spread), whole);
    const ValueId zero = n.b.reshape(n.b.cast(n.in(3), DataType::i32), zero_dims);
    return {sub(n, product, mul(n, each, zero))};
}

}  // namespace

void add_integer_products(OperatorTable& table) {
    table.add({
        {"ConvInteger", {10}, conv_integer},
        {"MatMulInteger", {10}, matmul_integer},
    });
}

}  // namespace accel::compiler
