// SPDX-License-Identifier: Apache-2.0
//
// Normalizations and losses.
#include <numeric>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// (x - mean) / sqrt(variance + epsilon)
struct Normal {
    ValueId value;
    ValueId mean;
    ValueId inverse;  // 1 / standard deviation
};
Normal normal(const Node& n, ValueId x, const std::vector<std::size_t>& axes, float epsilon) {
    const ValueId mean = reduce(n, ReduceOp::mean, x, axes);
    const ValueId centered = sub(n, x, mean);
    const ValueId variance = reduce(n, ReduceOp::mean, mul(n, centered, centered), axes);
    const ValueId deviation = unary(n, UnaryOp::sqrt, add(n, variance, epsilon));
    const ValueId inverse = n.b.unary(UnaryOp::reciprocal, deviation);
    return {mul(n, centered, inverse), mean, inverse};
}

// Shapes a value with one element for each channel so that it broadcasts over [n, c, ...].
ValueId per_channel(const Node& n, ValueId x, std::size_t rank) {
    if (rank < 2) {
        refuse("its input has fewer than 2 dimensions, and so no channels");
    }
    Dims dims(rank - 1, 1);
    dims[0] = n.b.length(x, 0);
    return n.b.reshape(x, std::move(dims));
}

ValueId scale_shift(const Node& n, ValueId x, ValueId scale, ValueId shift) {
    return add(n, mul(n, x, scale), shift);
}

Values layer_norm(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t first = normalize_axis(n.integer("axis", -1), n.b.rank(x));
    std::vector<std::size_t> axes(n.b.rank(x) - first);
    std::iota(axes.begin(), axes.end(), first);
    const Normal norm = normal(n, x, axes, n.real("epsilon", 1e-5F));
    ValueId y = mul(n, norm.value, n.in(1));
    if (n.has(2)) {
        y = add(n, y, n.in(2));
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
        refuse("its input " + to_string(dims) + " cannot be split into " + std::to_string(groups) +
               " groups of channels");
    }
    const ValueId parts = n.b.reshape(x, {dims[0], groups, elements(dims) / (dims[0] * groups)});
    ValueId y = n.b.reshape(normal(n, parts, {2}, n.real("epsilon", 1e-5F)).value, dims);
    // Until opset 20, scale and bias have one element for each group.
    const auto spread = [&](ValueId v) {
        if (n.b.length(v, 0) == dims[1]) {
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
        axes.push_back(normalize_axis(axis, n.b.rank(n.in(0))));
    }
    return {normal(n, n.in(0), axes, 1e-9F).value};
}

[[noreturn]] void refuse_training() {
    refuse("it is in training mode", "export the model for inference");
}

// A scale and a shift of each channel, which the pass `fuse` merges into the weights before them.
Values batch_norm(const Node& n) {
    if (n.integer("training_mode", 0) != 0) {
        refuse_training();
    }
    if (n.integer("spatial", 1) == 0) {
        refuse("its spatial is 0: statistics of each element are not supported",
               "export the model for opset 9 or newer, with statistics of each channel");
    }
    const std::size_t rank = n.b.rank(n.in(0));
    const ValueId deviation = unary(
        n, UnaryOp::sqrt, add(n, n.in(4), n.b.scalar(DataType::f32, n.real("epsilon", 1e-5F))));
    const ValueId scale = div(n, n.in(1), deviation);
    const ValueId shift = sub(n, n.in(2), mul(n, n.in(3), scale));
    return {scale_shift(n, n.in(0), per_channel(n, scale, rank), per_channel(n, shift, rank))};
}

// From opset 14 on, nodes for inference have one output.
Values batch_norm_for_inference(const Node& n) {
    if (n.output_count() > 1) {
        refuse_training();
    }
    return batch_norm(n);
}

Values lp_norm(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t axis = normalize_axis(n.integer("axis", -1), n.b.rank(x));
    const bool one = n.integer("p", 2) == 1;
    const ValueId sum =
        reduce(n, ReduceOp::sum, one ? unary(n, UnaryOp::abs, x) : mul(n, x, x), {axis});
    const ValueId norm = one ? sum : unary(n, UnaryOp::sqrt, sum);
    const ValueId zero = n.b.scalar(n.b.type(x), 0);
    return {n.b.select(n.b.compare(ElementwiseOp::equal, norm, zero), zero, div(n, x, norm))};
}

// ---- losses: -weight[t] * x[t], averaged by the weights

Values loss(const Node& n, ValueId logs) {
    const Dims dims = n.b.dims(logs);
    const std::string reduction = n.text("reduction", "mean");
    Dims target = n.b.dims(n.in(1));
    if (dims.size() < 2 || target.size() + 1 != dims.size()) {
        refuse("its targets " + to_string(target) + " do not fit its scores " + to_string(dims));
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
        weight = weighted ? mul(n, weight, keep) : keep;
        weighted = true;
    }
    if (weighted) {
        value = mul(n, value, weight);
    }
    if (reduction == "none") {
        return {squeezed(n, value, {1})};
    }
    const std::vector<std::size_t> all = all_axes(dims.size());
    ValueId sum = reduce(n, ReduceOp::sum, value, all);
    if (reduction == "mean") {
        const ValueId total = weighted ? reduce(n, ReduceOp::sum, weight, all)
                                       : n.b.scalar(static_cast<float>(elements(n.b.dims(value))));
        sum = div(n, sum, total);
    }
    return {n.b.reshape(sum, {})};
}

Values negative_log_likelihood(const Node& n) {
    return loss(n, n.in(0));
}
Values cross_entropy(const Node& n) {
    const ValueId logs = log_softmax_along(n, n.in(0), 1);
    Values results = loss(n, logs);
    results.push_back(logs);
    return results;
}

}  // namespace

void add_normalizations(OperatorTable& table) {
    table.add({
        {"BatchNormalization", {1, 13}, batch_norm},
        {"BatchNormalization", {14}, batch_norm_for_inference},
        {"GroupNormalization", {18}, group_norm},
        {"InstanceNormalization", {1}, instance_norm},
        {"LayerNormalization", {17}, layer_norm},
        {"LpNormalization", {1}, lp_norm},
        {"MeanVarianceNormalization", {9}, mean_variance},
        {"NegativeLogLikelihoodLoss", {12}, negative_log_likelihood},
        {"SoftmaxCrossEntropyLoss", {12}, cross_entropy},
    });
}

}  // namespace accel::compiler
