// SPDX-License-Identifier: Apache-2.0
//
// The activation functions of networks.
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

Values prelu(const Node& n) {
    return {n.b.binary(ElementwiseOp::prelu, n.in(0), n.in(1))};
}

// Until opset 6, a slope for each channel has no dimensions for the pixels.
Values prelu_per_channel(const Node& n) {
    ValueId slope = n.in(1);
    if (n.b.rank(slope) == 1 && n.b.rank(n.in(0)) > 2) {
        Dims dims = n.b.dims(slope);
        dims.resize(n.b.rank(n.in(0)) - 1, 1);
        slope = n.b.reshape(slope, std::move(dims));
    }
    return {n.b.binary(ElementwiseOp::prelu, n.in(0), slope)};
}

Values hard_swish(const Node& n) {
    return {n.b.unary(UnaryOp::hard_swish, n.in(0))};
}
Values hard_sigmoid(const Node& n) {
    return {n.b.unary(UnaryOp::hard_sigmoid, n.in(0), n.real("alpha", 0.2F), n.real("beta", 0.5F))};
}

Values selu(const Node& n) {
    const float gamma = n.real("gamma", 1.05070102F);
    return {mul(n, n.b.unary(UnaryOp::elu, n.in(0), n.real("alpha", 1.67326319F)), gamma)};
}

// max(0, x) + min(0, alpha * (exp(x / alpha) - 1))
Values celu(const Node& n) {
    const ValueId x = n.in(0);
    const float alpha = n.real("alpha", 1.0F);
    const ValueId inner = mul(n, x, 1.0F / alpha);
    if (alpha >= 0) {
        return {mul(n, n.b.unary(UnaryOp::elu, inner, 1.0F), alpha)};
    }
    // The operation elu changes its formula at zero, where x / alpha has the other sign.
    const ValueId zero = n.b.scalar(n.b.type(x), 0);
    const ValueId low = mul(n, add(n, unary(n, UnaryOp::exp, inner), -1.0F), alpha);
    return {n.b.select(n.b.compare(ElementwiseOp::less, zero, x), x, low)};
}

Values softsign(const Node& n) {
    return {div(n, n.in(0), add(n, unary(n, UnaryOp::abs, n.in(0)), 1.0F))};
}

Values mish(const Node& n) {
    const ValueId x = n.in(0);
    return {mul(n, x, unary(n, UnaryOp::tanh, unary(n, UnaryOp::softplus, x)))};
}

Values gelu(const Node& n) {
    const ValueId x = n.in(0);
    const std::string form = n.text("approximate", "none");
    if (form == "none") {
        return {unary(n, UnaryOp::gelu, x)};
    }
    if (form != "tanh") {
        refuse("its attribute 'approximate' is '" + form + "', not 'none' or 'tanh'");
    }
    const ValueId cube = mul(n, x, mul(n, x, x));
    const ValueId inner = add(n, x, mul(n, cube, 0.044715F));
    const ValueId t = unary(n, UnaryOp::tanh, mul(n, inner, 0.797884561F));
    // Half of x first: twice a large x is infinite.
    return {mul(n, mul(n, x, 0.5F), add(n, t, 1.0F))};
}

Values thresholded_relu(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId above =
        n.b.compare(ElementwiseOp::less, n.b.scalar(n.b.type(x), n.real("alpha", 1.0F)), x);
    return {n.b.select(above, x, n.b.scalar(n.b.type(x), 0))};
}

Values shrink(const Node& n) {
    const DataType given = n.b.type(n.in(0));
    const ValueId x = is_integer(given) ? as_f32(n, n.in(0)) : n.in(0);
    const float bias = n.real("bias", 0.0F);
    const float lambda = n.real("lambd", 0.5F);
    const DataType type = n.b.type(x);
    const ValueId below = n.b.compare(ElementwiseOp::less, x, n.b.scalar(DataType::f32, -lambda));
    const ValueId above = n.b.compare(ElementwiseOp::less, n.b.scalar(DataType::f32, lambda), x);
    const ValueId zero = n.b.scalar(type, 0);
    const ValueId y = n.b.select(below, add(n, x, bias), n.b.select(above, add(n, x, -bias), zero));
    return {n.b.cast(y, given)};
}

}  // namespace

void add_activations(OperatorTable& table) {
    table.add({
        {"Celu", {12}, celu},
        {"Elu", {1}, unary_with_alpha(UnaryOp::elu, "alpha", 1.0F)},
        {"Gelu", {20}, gelu},
        {"HardSigmoid", {1}, hard_sigmoid},
        {"HardSwish", {14}, hard_swish},
        {"LeakyRelu", {1}, unary_with_alpha(UnaryOp::leaky_relu, "alpha", 0.01F)},
        {"Mish", {18}, mish},
        {"PRelu", {1, 6}, prelu_per_channel},
        {"PRelu", {7}, prelu},
        {"Relu", {1}, unary_operator(UnaryOp::relu)},
        {"Selu", {1}, selu},
        {"Shrink", {9}, shrink},
        {"Sigmoid", {1}, unary_operator(UnaryOp::sigmoid)},
        {"Softplus", {1}, unary_operator(UnaryOp::softplus)},
        {"Softsign", {1}, softsign},
        {"Tanh", {1}, unary_operator(UnaryOp::tanh)},
        {"ThresholdedRelu", {10}, thresholded_relu},
    });
}

}  // namespace accel::compiler
