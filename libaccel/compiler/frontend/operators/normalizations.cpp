// SPDX-License-Identifier: Apache-2.0
//
// Normalizations.
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
    const std::int64_t groups = n.integer("num_groups");
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

// The parameters of a batch normalization, shaped to broadcast over the input. There is one for
// each channel; until opset 8, spatial = 0 means one for each element of a sample.
ValueId batch_parameter(const Node& n, ValueId x) {
    const Dims& dims = n.b.dims(n.in(0));
    if (n.integer("spatial", 1) != 0) {
        return per_channel(n, x, dims.size());
    }
    return n.b.reshape(x, Dims(dims.begin() + 1, dims.end()));
}

// A scale and a shift of each channel, which the pass `fuse` merges into the weights before them.
Values batch_norm(const Node& n) {
    const ValueId deviation = unary(
        n, UnaryOp::sqrt, add(n, n.in(4), n.b.scalar(DataType::f32, n.real("epsilon", 1e-5F))));
    const ValueId scale = div(n, n.in(1), deviation);
    const ValueId shift = sub(n, n.in(2), mul(n, n.in(3), scale));
    return {scale_shift(n, n.in(0), batch_parameter(n, scale), batch_parameter(n, shift))};
}

// Normalizes by the statistics of this batch. The results are y, the running mean and variance, and
// the mean and variance of the batch.
Values batch_norm_in_training(const Node& n) {
    const ValueId x = n.in(0);
    static_cast<void>(n.b.length(x, 1));
    std::vector<std::size_t> axes{0};
    for (std::size_t i = 2; i < n.b.rank(x) && n.integer("spatial", 1) != 0; ++i) {
        axes.push_back(i);
    }
    const ValueId wide = n.b.cast(x, DataType::f32);
    const ValueId mean = reduce(n, ReduceOp::mean, wide, axes);
    const ValueId centered = sub(n, wide, mean);
    const ValueId variance = reduce(n, ReduceOp::mean, mul(n, centered, centered), axes);
    const ValueId deviation = unary(n, UnaryOp::sqrt, add(n, variance, n.real("epsilon", 1e-5F)));
    const ValueId y = scale_shift(n, div(n, centered, deviation), batch_parameter(n, n.in(1)),
                                  batch_parameter(n, n.in(2)));
    const float momentum = n.real("momentum", 0.9F);
    const auto as_parameter = [&](ValueId value, std::size_t input) {
        return n.b.cast(n.b.reshape(value, n.b.dims(n.in(input))), n.b.type(n.in(input)));
    };
    const auto running = [&](ValueId value, std::size_t input) {
        const ValueId of_batch = n.b.reshape(value, n.b.dims(n.in(input)));
        return n.b.cast(add(n, mul(n, n.b.cast(n.in(input), DataType::f32), momentum),
                            mul(n, of_batch, 1.0F - momentum)),
                        n.b.type(n.in(input)));
    };
    return {n.b.cast(y, n.b.type(x)), running(mean, 3), running(variance, 4), as_parameter(mean, 3),
            as_parameter(variance, 4)};
}

// Until opset 13, the outputs tell training from inference. From opset 14 on, an attribute does.
Values batch_norm_by_outputs(const Node& n) {
    return n.output_count() > 1 ? batch_norm_in_training(n) : batch_norm(n);
}
Values batch_norm_by_mode(const Node& n) {
    return n.integer("training_mode", 0) != 0 ? batch_norm_in_training(n) : batch_norm(n);
}

// A vector of zeros stays zero.
Values lp_norm(const Node& n) {
    const ValueId x = n.in(0);
    const std::size_t axis = normalize_axis(n.integer("axis", -1), n.b.rank(x));
    const std::int64_t p = n.integer("p", 2);
    if (p != 1 && p != 2) {
        refuse("its attribute p is " + std::to_string(p), "it must be 1 or 2");
    }
    const DataType type = n.b.type(x);
    const ValueId wide = n.b.cast(x, DataType::f32);
    const ValueId sum = n.b.reduce(
        ReduceOp::sum, p == 1 ? unary(n, UnaryOp::abs, wide) : mul(n, wide, wide), {axis});
    const ValueId norm = p == 1 ? sum : unary(n, UnaryOp::sqrt, sum);
    const ValueId empty = n.b.compare(ElementwiseOp::equal, norm, n.b.scalar(0.0F));
    return {n.b.cast(div(n, wide, n.b.select(empty, n.b.scalar(1.0F), norm)), type)};
}

}  // namespace

void add_normalizations(OperatorTable& table) {
    table.add({
        {"BatchNormalization", {1, 13}, batch_norm_by_outputs},
        {"BatchNormalization", {14}, batch_norm_by_mode},
        {"GroupNormalization", {18}, group_norm},
        {"InstanceNormalization", {1}, instance_norm},
        {"LayerNormalization", {17}, layer_norm},
        {"LpNormalization", {1}, lp_norm},
        {"MeanVarianceNormalization", {9}, mean_variance},
    });
}

}  // namespace accel::compiler
