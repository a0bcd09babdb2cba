// SPDX-License-Identifier: Apache-2.0
//
// Operators of the domain com.microsoft. ONNX Runtime's optimizer creates them in language models.
#include <cmath>
#include <numbers>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

using Op = ElementwiseOp;

// Adds an optional input.
ValueId add_input(const Node& n, ValueId x, std::size_t input) {
    return n.has(input) ? add(n, x, n.in(input)) : x;
}

Values gelu(const Node& n) {
    return {n.b.unary(UnaryOp::gelu, add_input(n, n.in(0), 1))};
}

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
Values fast_gelu(const Node& n) {
    const ValueId x = add_input(n, n.in(0), 1);
    const auto scalar = [&](double c) { return n.b.scalar(n.b.type(x), c); };
    const ValueId square = mul(n, x, x);
    const ValueId inner = mul(n, mul(n, x, scalar(std::sqrt(2 / std::numbers::pi))),
                              add(n, mul(n, square, scalar(0.044715)), scalar(1)));
    const ValueId factor = add(n, n.b.unary(UnaryOp::tanh, inner), scalar(1));
    return {mul(n, mul(n, x, scalar(0.5)), factor)};
}

Values quick_gelu(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId scaled = mul(n, x, n.b.scalar(n.b.type(x), n.real("alpha", 1.702F)));
    return {mul(n, x, n.b.unary(UnaryOp::sigmoid, scaled))};
}

ValueId transposed_if(const Node& n, ValueId x, const char* attribute) {
    if (n.integer(attribute, 0) == 0 || n.b.rank(x) < 2) {
        return x;
    }
    const std::size_t rank = n.b.rank(x);
    return n.b.permute(x, swapped_axes(rank, rank - 2, rank - 1));
}

Values fused_matmul(const Node& n) {
    if (n.integer("transBatchA", 0) != 0 || n.integer("transBatchB", 0) != 0) {
        refuse("transBatchA and transBatchB are not supported");
    }
    const ValueId product =
        n.b.matmul(transposed_if(n, n.in(0), "transA"), transposed_if(n, n.in(1), "transB"));
    const float alpha = n.real("alpha", 1.0F);
    return {alpha == 1.0F ? product : mul(n, product, n.b.scalar(n.b.type(product), alpha))};
}

// x / sqrt(mean(x^2) + epsilon) * scale + shift. `centered`: subtracts the mean of x first.
Values normalized(const Node& n, ValueId x, std::size_t scale, std::size_t shift, bool centered,
                  float epsilon) {
    const std::size_t last = n.b.rank(x) - 1;
    static_cast<void>(n.b.length(x, last));
    const ValueId mean = n.b.reduce(ReduceOp::mean, x, {last});
    const ValueId y = centered ? sub(n, x, mean) : x;
    const ValueId power = n.b.reduce(ReduceOp::mean, mul(n, y, y), {last});
    const ValueId inverse =
        n.b.unary(UnaryOp::reciprocal,
                  n.b.unary(UnaryOp::sqrt, add(n, power, n.b.scalar(n.b.type(x), epsilon))));
    const ValueId scaled = mul(n, mul(n, y, inverse), n.in(scale));
    return {shift == 0 ? scaled : add_input(n, scaled, shift), mean, inverse, x};
}

Values skip_layer_norm(const Node& n) {
    const ValueId sum = add_input(n, add(n, n.in(0), n.in(1)), 4);
    return normalized(n, sum, 2, 3, true, n.real("epsilon", 1e-12F));
}
Values skip_simplified_norm(const Node& n) {
    const ValueId sum = add_input(n, add(n, n.in(0), n.in(1)), 3);
    return normalized(n, sum, 2, 0, false, n.real("epsilon", 1e-5F));
}
Values simplified_norm(const Node& n) {
    if (normalize_axis(n.integer("axis", -1), n.b.rank(n.in(0))) + 1 != n.b.rank(n.in(0))) {
        refuse("it normalizes another axis than the last, which is not supported");
    }
    const Values all = normalized(n, n.in(0), 1, 0, false, n.real("epsilon", 1e-5F));
    return {all[0], all[2]};
}

}  // namespace

void add_contrib(OperatorTable& table) {
    table.add({
        {"com.microsoft.BiasGelu", gelu},
        {"com.microsoft.FastGelu", fast_gelu},
        {"com.microsoft.FusedMatMul", fused_matmul},
        {"com.microsoft.Gelu", gelu},
        {"com.microsoft.QuickGelu", quick_gelu},
        {"com.microsoft.SkipLayerNormalization", skip_layer_norm},
        {"com.microsoft.SkipSimplifiedLayerNormalization", skip_simplified_norm},
        {"SimplifiedLayerNormalization", simplified_norm},
    });
    // Models of opsets that have no per-channel quantization use these.
    for (const std::string name : {"DequantizeLinear", "QuantizeLinear"}) {
        table.add_alias("com.microsoft." + name, name);
    }
}

}  // namespace accel::compiler
