// SPDX-License-Identifier: Apache-2.0
//
// Operators that look along axes: sums, softmax, norms, losses.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

using Values = std::vector<ValueId>;

ValueId squeezed(const Node& n, ValueId x, const std::vector<std::size_t>& axes) {
    Dims dims;
    for (std::size_t i = 0; i < n.b.rank(x); ++i) {
        if (std::ranges::find(axes, i) == axes.end()) {
            dims.push_back(n.b.dims(x)[i]);
        }
    }
    return n.b.reshape(x, std::move(dims));
}

// The engine takes f32: others are converted on the way.
ValueId reduce(const Node& n, ReduceOp op, ValueId x, const std::vector<std::size_t>& axes) {
    const DataType type = n.b.type(x);
    if (type == DataType::f32 || n.b.value(x).constant) {
        return n.b.reduce(op, x, axes);
    }
    if (is_wide(type)) {
        return reduce_integers(n, op, x, axes);
    }
    return n.b.cast(n.b.reduce(op, as_f32(n, x), axes), type);
}

// before, sum, after: what the names of ONNX mean.
Lower reduction(ReduceOp op, const std::function<ValueId(const Node&, ValueId)>& before,
                const std::function<ValueId(const Node&, ValueId)>& after) {
    return [=](const Node& n) {
        const ValueId x = n.in(0);
        std::vector<std::size_t> axes = n.axes(1, n.b.rank(x));
        if (axes.empty() && n.integer("noop_with_empty_axes", 0) != 0) {
            return Values{x};
        }
        if (axes.empty()) {
            axes.resize(n.b.rank(x));
            std::iota(axes.begin(), axes.end(), 0);
        }
        const ValueId sum = after(n, reduce(n, op, before(n, x), axes));
        return Values{n.integer("keepdims", 1) != 0 ? sum : squeezed(n, sum, axes)};
    };
}

ValueId as_it_is(const Node&, ValueId x) {
    return x;
}
ValueId absolute(const Node& n, ValueId x) {
    return n.b.unary(UnaryOp::abs, x);
}
ValueId squared(const Node& n, ValueId x) {
    return n.b.binary(ElementwiseOp::mul, x, x);
}
ValueId root(const Node& n, ValueId x) {
    return n.b.unary(UnaryOp::sqrt, x);
}
ValueId logarithm(const Node& n, ValueId x) {
    return n.b.unary(UnaryOp::log, x);
}

// max + log(sum(exp(x - max)))
Values log_sum_exp(const Node& n) {
    const ValueId x = n.in(0);
    std::vector<std::size_t> axes = n.axes(1, n.b.rank(x));
    if (axes.empty() && n.integer("noop_with_empty_axes", 0) != 0) {
        return {x};
    }
    if (axes.empty()) {
        axes.resize(n.b.rank(x));
        std::iota(axes.begin(), axes.end(), 0);
    }
    const ValueId peak = reduce(n, ReduceOp::max, x, axes);
    const ValueId e = n.b.unary(UnaryOp::exp, n.b.binary(ElementwiseOp::sub, x, peak));
    const ValueId sum =
        n.b.binary(ElementwiseOp::add, peak, logarithm(n, reduce(n, ReduceOp::sum, e, axes)));
    return {n.integer("keepdims", 1) != 0 ? sum : squeezed(n, sum, axes)};
}

Lower extreme(ReduceOp op) {
    return [=](const Node& n) {
        ValueId x = n.in(0);
        const std::size_t axis = axis_of(n.integer("axis", 0), n.b.rank(x));
        const std::int64_t length = n.b.dims(x)[axis];
        const bool last = n.integer("select_last_index", 0) != 0;
        if (last) {
            Dims start(n.b.rank(x), 0);
            Dims step(n.b.rank(x), 1);
            start[axis] = length - 1;
            step[axis] = -1;
            Dims dims = n.b.dims(x);
            x = n.b.take(x, std::move(start), std::move(step), std::move(dims));
        }
        ValueId place = n.b.cast(is_wide(n.b.type(x)) ? place_of_integer(n, op, x, axis)
                                                      : n.b.reduce(op, as_f32(n, x), {axis}),
                                 DataType::i64);
        if (last) {
            place = n.b.binary(ElementwiseOp::sub,
                               n.b.scalar(DataType::i64, static_cast<double>(length - 1)), place);
        }
        return Values{n.integer("keepdims", 1) != 0 ? place : squeezed(n, place, {axis})};
    };
}

// Before opset 13 all dimensions from the axis on are one.
template <typename Function>
Values along(const Node& n, Function&& function) {
    const ValueId x = n.in(0);
    const Dims dims = n.b.dims(x);
    if (n.opset >= 13) {
        return {function(x, axis_of(n.integer("axis", -1), dims.size()))};
    }
    const std::size_t axis = axis_of(n.integer("axis", 1), dims.size());
    const auto at = dims.begin() + static_cast<std::ptrdiff_t>(axis);
    const ValueId flat =
        n.b.reshape(x, {elements(Dims(dims.begin(), at)), elements(Dims(at, dims.end()))});
    return {n.b.reshape(function(flat, 1), dims)};
}

ValueId softmax_of(const Node& n, ValueId x, std::size_t axis) {
    const DataType type = n.b.type(x);
    return n.b.cast(n.b.softmax(n.b.cast(x, DataType::f32), axis), type);
}
ValueId log_softmax_of(const Node& n, ValueId x, std::size_t axis) {
    const ValueId low = n.b.binary(ElementwiseOp::sub, x, reduce(n, ReduceOp::max, x, {axis}));
    const ValueId sum = reduce(n, ReduceOp::sum, n.b.unary(UnaryOp::exp, low), {axis});
    return n.b.binary(ElementwiseOp::sub, low, logarithm(n, sum));
}

Values softmax(const Node& n) {
    return along(n, [&](ValueId x, std::size_t axis) { return softmax_of(n, x, axis); });
}
Values log_softmax(const Node& n) {
    return along(n, [&](ValueId x, std::size_t axis) { return log_softmax_of(n, x, axis); });
}

// 1 at the first of the largest.
Values hardmax(const Node& n) {
    return along(n, [&](ValueId x, std::size_t axis) {
        const std::int64_t length = n.b.dims(x)[axis];
        std::vector<std::int64_t> places(static_cast<std::size_t>(length));
        std::iota(places.begin(), places.end(), 0);
        Dims dims(n.b.rank(x), 1);
        dims[axis] = length;
        const ValueId index =
            n.b.constant(make_constant(DataType::i64, dims, std::span<const std::int64_t>(places)));
        const ValueId best = n.b.cast(n.b.reduce(ReduceOp::argmax, x, {axis}), DataType::i64);
        return n.b.cast(n.b.compare(ElementwiseOp::equal, best, index), n.b.type(x));
    });
}

// (x - mean) / sqrt(variance + epsilon)
struct Normal {
    ValueId value;
    ValueId mean;
    ValueId inverse;  // 1 / standard deviation
};
Normal normal(const Node& n, ValueId x, const std::vector<std::size_t>& axes, float epsilon) {
    const ValueId mean = reduce(n, ReduceOp::mean, x, axes);
    const ValueId centred = n.b.binary(ElementwiseOp::sub, x, mean);
    const ValueId variance = reduce(n, ReduceOp::mean, squared(n, centred), axes);
    const ValueId deviation =
        root(n, n.b.binary(ElementwiseOp::add, variance, n.b.scalar(n.b.type(x), epsilon)));
    const ValueId inverse = n.b.unary(UnaryOp::reciprocal, deviation);
    return {n.b.binary(ElementwiseOp::mul, centred, inverse), mean, inverse};
}

// A value for each channel, shaped to broadcast over [n, c, ...].
ValueId per_channel(const Node& n, ValueId x, std::size_t rank) {
    if (rank < 2) {
        refuse("its input has no channels");
    }
    Dims dims(rank - 1, 1);
    dims[0] = n.b.length(x, 0);
    return n.b.reshape(x, std::move(dims));
}

ValueId scale_shift(const Node& n, ValueId x, ValueId scale, ValueId shift) {
    return n.b.binary(ElementwiseOp::add, n.b.binary(ElementwiseOp::mul, x, scale), shift);
}

Values layer_norm(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t first = axis_of(n.integer("axis", -1), n.b.rank(x));
    std::vector<std::size_t> axes(n.b.rank(x) - first);
    std::iota(axes.begin(), axes.end(), first);
    const Normal norm = normal(n, x, axes, n.real("epsilon", 1e-5F));
    ValueId y = n.b.binary(ElementwiseOp::mul, norm.value, n.in(1));
    if (n.has(2)) {
        y = n.b.binary(ElementwiseOp::add, y, n.in(2));
    }
    return {y, norm.mean, norm.inverse};
}

Values instance_norm(const Node& n) {
    const ValueId x = n.in(0);
    static_cast<void>(n.b.length(x, 2));
    std::vector<std::size_t> axes(n.b.rank(x) - 2);
    std::iota(axes.begin(), axes.end(), 2);
    const ValueId y = normal(n, x, axes, n.real("epsilon", 1e-5F)).value;
    const std::size_t rank = n.b.rank(x);
    return {scale_shift(n, y, per_channel(n, n.in(1), rank), per_channel(n, n.in(2), rank))};
}

Values group_norm(const Node& n) {
    const ValueId x = n.in(0);
    const Dims dims = n.b.dims(x);
    const std::int64_t groups = n.integer("num_groups", 1);
    if (dims.size() < 3 || groups < 1 || dims[0] == 0 || dims[1] % groups != 0) {
        refuse("its groups do not divide its channels");
    }
    const ValueId parts = n.b.reshape(x, {dims[0], groups, elements(dims) / (dims[0] * groups)});
    ValueId y = n.b.reshape(normal(n, parts, {2}, n.real("epsilon", 1e-5F)).value, dims);
    // Until opset 21 one value a group.
    const auto spread = [&](ValueId v) {
        if (n.b.dims(v).at(0) == dims[1]) {
            return v;
        }
        const ValueId wide = n.b.broadcast(n.b.reshape(v, {groups, 1}), {groups, dims[1] / groups});
        return n.b.reshape(wide, {dims[1]});
    };
    return {scale_shift(n, y, per_channel(n, spread(n.in(1)), dims.size()),
                        per_channel(n, spread(n.in(2)), dims.size()))};
}

Values mean_variance(const Node& n) {
    std::vector<std::size_t> axes;
    for (const std::int64_t axis : n.list("axes", {0, 2, 3})) {
        axes.push_back(axis_of(axis, n.b.rank(n.in(0))));
    }
    return {normal(n, n.in(0), axes, 1e-9F).value};
}

// As a scale and a shift of each channel, which fusing takes into the weights before it.
Values batch_norm(const Node& n) {
    if (n.integer("training_mode", 0) != 0 || (n.outputs > 1 && n.opset >= 14)) {
        refuse("it is for training: export the model for inference");
    }
    const std::size_t rank = n.b.rank(n.in(0));
    const ValueId deviation =
        root(n, n.b.binary(ElementwiseOp::add, n.in(4),
                           n.b.scalar(DataType::f32, n.real("epsilon", 1e-5F))));
    const ValueId scale = n.b.binary(ElementwiseOp::div, n.in(1), deviation);
    const ValueId shift =
        n.b.binary(ElementwiseOp::sub, n.in(2), n.b.binary(ElementwiseOp::mul, n.in(3), scale));
    return {scale_shift(n, n.in(0), per_channel(n, scale, rank), per_channel(n, shift, rank))};
}

Values lp_norm(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t axis = axis_of(n.integer("axis", -1), n.b.rank(x));
    const bool one = n.integer("p", 2) == 1;
    const ValueId sum = reduce(n, ReduceOp::sum, one ? absolute(n, x) : squared(n, x), {axis});
    return {n.b.binary(ElementwiseOp::div, x, one ? sum : root(n, sum))};
}

// x times a triangle of ones.
Values cumulative_sum(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t axis = axis_of(n.integers(1).at(0), n.b.rank(x));
    const bool exclusive = n.integer("exclusive", 0) != 0;
    const bool back = n.integer("reverse", 0) != 0;
    const std::int64_t length = n.b.dims(x)[axis];
    if (is_wide(n.b.type(x))) {
        return {running_sum(n, x, axis, exclusive, back)};
    }
    if (length > most_listed || length * length > most_listed) {
        refuse("its axis is too long: " + std::to_string(length));
    }
    std::vector<float> ones;
    for (std::int64_t i = 0; i < length; ++i) {
        for (std::int64_t j = 0; j < length; ++j) {
            const std::int64_t ahead = back ? i - j : j - i;
            ones.push_back(ahead > 0 || (ahead == 0 && !exclusive) ? 1.0F : 0.0F);
        }
    }
    std::vector<std::size_t> turn(n.b.rank(x));
    std::iota(turn.begin(), turn.end(), 0);
    std::swap(turn[axis], turn.back());
    const ValueId rows = n.b.permute(as_f32(n, x), turn);
    const Dims dims = n.b.dims(rows);
    const ValueId flat = n.b.reshape(rows, {length == 0 ? 0 : elements(dims) / length, length});
    const ValueId triangle =
        n.b.constant(make_constant(DataType::f32, {length, length}, std::span<const float>(ones)));
    const ValueId sums = n.b.permute(n.b.reshape(n.b.matmul(flat, triangle), dims), turn);
    return {n.b.cast(sums, n.b.type(x))};
}

// ---- losses: -w[t] * x[t], averaged by the weights

Values loss(const Node& n, ValueId logs) {
    const Dims dims = n.b.dims(logs);
    const std::string how = n.text("reduction", "mean");
    Dims target = n.b.dims(n.in(1));
    if (dims.size() < 2 || target.size() + 1 != dims.size()) {
        refuse("targets of the shape " + to_string(target) + " do not fit scores of the shape " +
               to_string(dims));
    }
    target.insert(target.begin() + 1, 1);
    ValueId index = n.b.reshape(n.b.cast(n.in(1), DataType::i64), target);
    ValueId keep = index;
    const bool ignores = n.has("ignore_index");
    if (ignores) {
        const ValueId ignored = n.b.compare(
            ElementwiseOp::equal, index,
            n.b.scalar(DataType::i64, static_cast<double>(n.integer("ignore_index", 0))));
        index = n.b.select(ignored, n.b.scalar(DataType::i64, 0), index);
        keep = n.b.cast(n.b.unary(UnaryOp::logical_not, ignored), DataType::f32);
    }
    ValueId value = n.b.unary(UnaryOp::neg, n.b.gather(logs, index, 1, true));
    ValueId weight = n.b.scalar(1.0F);
    bool weighted = false;
    if (n.has(2)) {
        weight = n.b.gather(n.in(2), index, 0, false);
        weighted = true;
    }
    if (ignores) {
        weight = weighted ? n.b.binary(ElementwiseOp::mul, weight, keep) : keep;
        weighted = true;
    }
    if (weighted) {
        value = n.b.binary(ElementwiseOp::mul, value, weight);
    }
    if (how == "none") {
        return {squeezed(n, value, {1})};
    }
    std::vector<std::size_t> all(dims.size());
    std::iota(all.begin(), all.end(), 0);
    ValueId sum = reduce(n, ReduceOp::sum, value, all);
    if (how == "mean") {
        const ValueId total = weighted ? reduce(n, ReduceOp::sum, weight, all)
                                       : n.b.scalar(static_cast<float>(elements(n.b.dims(value))));
        sum = n.b.binary(ElementwiseOp::div, sum, total);
    }
    return {n.b.reshape(sum, {})};
}

Values negative_log_likelihood(const Node& n) {
    return loss(n, n.in(0));
}
Values cross_entropy(const Node& n) {
    const ValueId logs = log_softmax_of(n, n.in(0), 1);
    Values results = loss(n, logs);
    results.push_back(logs);
    return results;
}

}  // namespace

void add_reductions(Operators& table) {
    const Operators here{
        {"ArgMax", extreme(ReduceOp::argmax)},
        {"ArgMin", extreme(ReduceOp::argmin)},
        {"BatchNormalization", batch_norm},
        {"CumSum", cumulative_sum},
        {"GroupNormalization", group_norm},
        {"Hardmax", hardmax},
        {"InstanceNormalization", instance_norm},
        {"LayerNormalization", layer_norm},
        {"LogSoftmax", log_softmax},
        {"LpNormalization", lp_norm},
        {"MeanVarianceNormalization", mean_variance},
        {"NegativeLogLikelihoodLoss", negative_log_likelihood},
        {"ReduceL1", reduction(ReduceOp::sum, absolute, as_it_is)},
        {"ReduceL2", reduction(ReduceOp::sum, squared, root)},
        {"ReduceLogSum", reduction(ReduceOp::sum, as_it_is, logarithm)},
        {"ReduceLogSumExp", log_sum_exp},
        {"ReduceMax", reduction(ReduceOp::max, as_it_is, as_it_is)},
        {"ReduceMean", reduction(ReduceOp::mean, as_it_is, as_it_is)},
        {"ReduceMin", reduction(ReduceOp::min, as_it_is, as_it_is)},
        {"ReduceProd", reduction(ReduceOp::product, as_it_is, as_it_is)},
        {"ReduceSum", reduction(ReduceOp::sum, as_it_is, as_it_is)},
        {"ReduceSumSquare", reduction(ReduceOp::sum, squared, as_it_is)},
        {"Softmax", softmax},
        {"SoftmaxCrossEntropyLoss", cross_entropy},
    };
    table.insert(here.begin(), here.end());
}

}  // namespace accel::compiler
