// SPDX-License-Identifier: Apache-2.0
//
// Operators of the domain com.microsoft, which ONNX Runtime's optimizer leaves in the models of
// text that it writes.
#include <cmath>
#include <numbers>

#include "frontend/operator.hpp"

namespace accel::compiler {

namespace {

using Values = std::vector<ValueId>;
using Op = ElementwiseOp;

ValueId plus(const Node& n, ValueId x, std::size_t input) {
    return n.has(input) ? n.b.binary(Op::add, x, n.in(input)) : x;
}

Values gelu(const Node& n) {
    return {n.b.unary(UnaryOp::gelu, plus(n, n.in(0), 1))};
}

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
Values fast_gelu(const Node& n) {
    const ValueId x = plus(n, n.in(0), 1);
    const auto scalar = [&](double c) { return n.b.scalar(n.b.type(x), c); };
    const ValueId square = n.b.binary(Op::mul, x, x);
    const ValueId inner =
        n.b.binary(Op::mul, n.b.binary(Op::mul, x, scalar(std::sqrt(2 / std::numbers::pi))),
                   n.b.binary(Op::add, n.b.binary(Op::mul, square, scalar(0.044715)), scalar(1)));
    const ValueId share = n.b.binary(Op::add, n.b.unary(UnaryOp::tanh, inner), scalar(1));
    return {n.b.binary(Op::mul, n.b.binary(Op::mul, x, scalar(0.5)), share)};
}

Values quick_gelu(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId scaled = n.b.binary(Op::mul, x, n.b.scalar(n.b.type(x), n.real("alpha", 1.702F)));
    return {n.b.binary(Op::mul, x, n.b.unary(UnaryOp::sigmoid, scaled))};
}

ValueId turned(const Node& n, ValueId x, const char* attribute) {
    if (n.integer(attribute, 0) == 0 || n.b.rank(x) < 2) {
        return x;
    }
    std::vector<std::size_t> order(n.b.rank(x));
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = i;
    }
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    return n.b.permute(x, std::move(order));
}

Values fused_matmul(const Node& n) {
    if (n.integer("transBatchA", 0) != 0 || n.integer("transBatchB", 0) != 0) {
        refuse("transposed batches are not supported");
    }
    const ValueId product = n.b.matmul(turned(n, n.in(0), "transA"), turned(n, n.in(1), "transB"));
    const float alpha = n.real("alpha", 1.0F);
    return {alpha == 1.0F ? product
                          : n.b.binary(Op::mul, product, n.b.scalar(n.b.type(product), alpha))};
}

// x / sqrt(mean(x^2) + epsilon) * scale, without or with the mean taken away first.
Values normalized(const Node& n, ValueId x, std::size_t scale, std::size_t shift, bool centred,
                  float epsilon) {
    const std::size_t last = n.b.rank(x) - 1;
    static_cast<void>(n.b.length(x, last));
    const ValueId mean = n.b.reduce(ReduceOp::mean, x, {last});
    const ValueId y = centred ? n.b.binary(Op::sub, x, mean) : x;
    const ValueId power = n.b.reduce(ReduceOp::mean, n.b.binary(Op::mul, y, y), {last});
    const ValueId inverse = n.b.unary(
        UnaryOp::reciprocal,
        n.b.unary(UnaryOp::sqrt, n.b.binary(Op::add, power, n.b.scalar(n.b.type(x), epsilon))));
    const ValueId scaled = n.b.binary(Op::mul, n.b.binary(Op::mul, y, inverse), n.in(scale));
    return {shift == 0 ? scaled : plus(n, scaled, shift), mean, inverse, x};
}

Values skip_layer_norm(const Node& n) {
    const ValueId sum = plus(n, n.b.binary(Op::add, n.in(0), n.in(1)), 4);
    return normalized(n, sum, 2, 3, true, n.real("epsilon", 1e-12F));
}
Values skip_simplified_norm(const Node& n) {
    const ValueId sum = plus(n, n.b.binary(Op::add, n.in(0), n.in(1)), 3);
    return normalized(n, sum, 2, 0, false, n.real("epsilon", 1e-5F));
}
Values simplified_norm(const Node& n) {
    if (axis_of(n.integer("axis", -1), n.b.rank(n.in(0))) + 1 != n.b.rank(n.in(0))) {
        refuse("another axis than the last is not supported");
    }
    const Values all = normalized(n, n.in(0), 1, 0, false, n.real("epsilon", 1e-5F));
    return {all[0], all[2]};
}

}  // namespace

void add_contrib(Operators& table) {
    const Operators here{
        {"com.microsoft.BiasGelu", gelu},
        {"com.microsoft.FastGelu", fast_gelu},
        {"com.microsoft.FusedMatMul", fused_matmul},
        {"com.microsoft.Gelu", gelu},
        {"com.microsoft.QuickGelu", quick_gelu},
        {"com.microsoft.SkipLayerNormalization", skip_layer_norm},
        {"com.microsoft.SkipSimplifiedLayerNormalization", skip_simplified_norm},
        {"SimplifiedLayerNormalization", simplified_norm},
    };
    table.insert(here.begin(), here.end());
    // These are ONNX's own, for opsets that do not have them yet.
    for (const char* const name : {"DequantizeLinear", "QuantizeLinear"}) {
        table.insert({std::string("com.microsoft.") + name, table.at(name)});
    }
}

}  // namespace accel::compiler
