// SPDX-License-Identifier: Apache-2.0
//
// Operators along axes: reductions, Softmax and its relatives.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// The axes of a node. A node without axes reduces all of them, or none with noop_with_empty_axes.
std::vector<std::size_t> reduced_axes(const Node& n, ValueId x) {
    const std::vector<std::size_t> axes = n.axes(1, n.b.rank(x));
    const bool all = axes.empty() && n.integer("noop_with_empty_axes", 0) == 0;
    return all ? all_axes(n.b.rank(x)) : axes;
}

// ONNX names reductions with an operation before or after: ReduceL2 is the root of a sum of
// squares.
Lowering reduction(ReduceOp op, const std::function<ValueId(const Node&, ValueId)>& before,
                   const std::function<ValueId(const Node&, ValueId)>& after) {
    return [=](const Node& n) {
        const ValueId x = n.in(0);
        const std::vector<std::size_t> axes = reduced_axes(n, x);
        const ValueId sum = n.b.cast(after(n, reduce(n, op, before(n, x), axes)), n.b.type(x));
        return Values{n.integer("keepdims", 1) != 0 ? sum : squeezed(n, sum, axes)};
    };
}

ValueId unchanged(const Node&, ValueId x) {
    return x;
}
ValueId absolute(const Node& n, ValueId x) {
    return n.b.unary(UnaryOp::abs, x);
}
ValueId squared(const Node& n, ValueId x) {
    return mul(n, x, x);
}
// Squares that do not overflow, although the root of their sum may be small.
ValueId squared_widely(const Node& n, ValueId x) {
    return squared(n, is_integer(n.b.type(x)) ? n.b.cast(x, DataType::i64) : x);
}
// A function of real numbers. Integers are converted and back.
ValueId real_function(const Node& n, UnaryOp op, ValueId x) {
    const DataType type = n.b.type(x);
    return is_integer(type) ? n.b.cast(n.b.unary(op, n.b.cast(x, DataType::f32)), type)
                            : n.b.unary(op, x);
}
ValueId root(const Node& n, ValueId x) {
    return real_function(n, UnaryOp::sqrt, x);
}
ValueId logarithm(const Node& n, ValueId x) {
    return real_function(n, UnaryOp::log, x);
}

// max + log(sum(exp(x - max)))
Values log_sum_exp(const Node& n) {
    const DataType type = n.b.type(n.in(0));
    const ValueId x = is_integer(type) ? n.b.cast(n.in(0), DataType::f32) : n.in(0);
    const std::vector<std::size_t> axes = reduced_axes(n, x);
    if (axes.empty()) {
        return {n.in(0)};  // the logarithm of the exponential
    }
    // A finite peak, because the difference of two infinite numbers is none.
    constexpr float most = std::numeric_limits<float>::max();
    const ValueId peak = n.b.unary(UnaryOp::clip, reduce(n, ReduceOp::max, x, axes), -most, most);
    const ValueId e = n.b.unary(UnaryOp::exp, sub(n, x, peak));
    const ValueId total = add(n, peak, logarithm(n, reduce(n, ReduceOp::sum, e, axes)));
    const ValueId sum = n.b.cast(total, type);
    return {n.integer("keepdims", 1) != 0 ? sum : squeezed(n, sum, axes)};
}

Lowering arg_reduction(ReduceOp op) {
    return [=](const Node& n) {
        ValueId x = n.in(0);
        const std::size_t axis = normalize_axis(n.integer("axis", 0), n.b.rank(x));
        const std::int64_t length = n.b.dims(x)[axis];
        const bool last = n.integer("select_last_index", 0) != 0;
        if (last) {
            Dims start(n.b.rank(x), 0);
            Dims step(n.b.rank(x), 1);
            start[axis] = length - 1;
            step[axis] = -1;
            Dims dims = n.b.dims(x);
            x = n.b.strided_slice(x, std::move(start), std::move(step), std::move(dims));
        }
        ValueId index = n.b.cast(is_wide(n.b.type(x)) ? arg_reduce_integers(n, op, x, axis)
                                                      : n.b.reduce(op, as_f32(n, x), {axis}),
                                 DataType::i64);
        if (last) {
            index = sub(n, n.b.scalar(DataType::i64, static_cast<double>(length - 1)), index);
        }
        return Values{n.integer("keepdims", 1) != 0 ? index : squeezed(n, index, {axis})};
    };
}

ValueId softmax_along(const Node& n, ValueId x, std::size_t axis) {
    const DataType type = n.b.type(x);
    return n.b.cast(n.b.softmax(n.b.cast(x, DataType::f32), axis), type);
}

// 1 at the first of the largest elements, else 0.
ValueId hardmax_along(const Node& n, ValueId x, std::size_t axis) {
    const std::int64_t length = n.b.dims(x)[axis];
    if (length == 0) {
        return x;
    }
    std::vector<std::int64_t> positions(static_cast<std::size_t>(length));
    std::iota(positions.begin(), positions.end(), 0);
    Dims dims(n.b.rank(x), 1);
    dims[axis] = length;
    const ValueId index =
        n.b.constant(make_constant(DataType::i64, dims, std::span<const std::int64_t>(positions)));
    const ValueId best =
        n.b.cast(n.b.reduce(ReduceOp::argmax, as_f32(n, x), {axis}), DataType::i64);
    return n.b.cast(n.b.compare(ElementwiseOp::equal, best, index), n.b.type(x));
}

using AlongAxis = ValueId (*)(const Node& n, ValueId x, std::size_t axis);

// From opset 13 on, Softmax and its relatives work along one axis.
Lowering along_axis(AlongAxis function) {
    return [=](const Node& n) {
        const std::size_t axis = normalize_axis(n.integer("axis", -1), n.b.rank(n.in(0)));
        return Values{function(n, n.in(0), axis)};
    };
}

// Until opset 12, they coerce their input to a matrix: all dimensions from the axis on are one row.
Lowering along_rows(AlongAxis function) {
    return [=](const Node& n) {
        const Dims dims = n.b.dims(n.in(0));
        const std::size_t axis = normalize_axis(n.integer("axis", 1), dims.size());
        const auto at = dims.begin() + static_cast<std::ptrdiff_t>(axis);
        const Dims matrix{elements(Dims(dims.begin(), at)), elements(Dims(at, dims.end()))};
        return Values{n.b.reshape(function(n, n.b.reshape(n.in(0), matrix), 1), dims)};
    };
}

}  // namespace

void add_reductions(OperatorTable& table) {
    table.add({
        {"ArgMax", {1}, arg_reduction(ReduceOp::argmax)},
        {"ArgMin", {1}, arg_reduction(ReduceOp::argmin)},
        {"Hardmax", {1, 12}, along_rows(hardmax_along)},
        {"Hardmax", {13}, along_axis(hardmax_along)},
        {"LogSoftmax", {1, 12}, along_rows(log_softmax_along)},
        {"LogSoftmax", {13}, along_axis(log_softmax_along)},
        {"ReduceL1", {1}, reduction(ReduceOp::sum, absolute, unchanged)},
        {"ReduceL2", {1}, reduction(ReduceOp::sum, squared_widely, root)},
        {"ReduceLogSum", {1}, reduction(ReduceOp::sum, unchanged, logarithm)},
        {"ReduceLogSumExp", {1}, log_sum_exp},
        {"ReduceMax", {1}, reduction(ReduceOp::max, unchanged, unchanged)},
        {"ReduceMean", {1}, reduction(ReduceOp::mean, unchanged, unchanged)},
        {"ReduceMin", {1}, reduction(ReduceOp::min, unchanged, unchanged)},
        {"ReduceProd", {1}, reduction(ReduceOp::product, unchanged, unchanged)},
        {"ReduceSum", {1}, reduction(ReduceOp::sum, unchanged, unchanged)},
        {"ReduceSumSquare", {1}, reduction(ReduceOp::sum, squared, unchanged)},
        {"Softmax", {1, 12}, along_rows(softmax_along)},
        {"Softmax", {13}, along_axis(softmax_along)},
    });
}

}  // namespace accel::compiler
