// SPDX-License-Identifier: Apache-2.0
//
// Steps of optimizers, of the domain ai.onnx.preview.training. The first inputs are the learning
// rate and the number of earlier steps. Then follow the values of all tensors, the gradients of all
// tensors, and the states of all tensors.
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// The inputs of one tensor, by their kind.
using Step = Values (*)(const Node& n, const Values& kinds);

// Calls `step` for each tensor. Its results, too, are ordered by kind.
Values for_each_tensor(const Node& n, std::size_t kinds, Step step) {
    if (n.count() < 2 + kinds || (n.count() - 2) % kinds != 0) {
        refuse("it has " + std::to_string(n.count()) + " inputs, and needs 2 and " +
               std::to_string(kinds) + " for each tensor");
    }
    const std::size_t count = (n.count() - 2) / kinds;
    std::vector<Values> results;
    for (std::size_t i = 0; i < count; ++i) {
        Values own;
        for (std::size_t kind = 0; kind < kinds; ++kind) {
            own.push_back(n.in(2 + kind * count + i));
        }
        results.push_back(step(n, own));
    }
    Values all;
    for (std::size_t kind = 0; kind < results[0].size(); ++kind) {
        for (const Values& one : results) {
            all.push_back(one[kind]);
        }
    }
    return all;
}

ValueId rate(const Node& n) {
    return n.b.reshape(n.b.cast(n.in(0), DataType::f32), {});
}
ValueId steps_before(const Node& n) {
    return n.b.reshape(n.b.cast(n.in(1), DataType::f32), {});
}
ValueId after_first_step(const Node& n) {
    return n.b.compare(ElementwiseOp::less, n.b.scalar(0.0F), steps_before(n));
}

// The gradient plus that of the regularization.
ValueId regularized(const Node& n, ValueId x, ValueId gradient) {
    const float norm = n.real("norm_coefficient", 0.0F);
    return norm == 0 ? gradient : add(n, mul(n, x, norm), gradient);
}

Values adagrad_step(const Node& n, const Values& kinds) {
    const ValueId x = kinds[0];
    const ValueId decay = add(n, mul(n, steps_before(n), n.real("decay_factor", 0.0F)), 1.0F);
    const ValueId g = regularized(n, x, kinds[1]);
    const ValueId sum = add(n, kinds[2], mul(n, g, g));
    const ValueId scale = add(n, unary(n, UnaryOp::sqrt, sum), n.real("epsilon", 0.0F));
    return {sub(n, x, div(n, mul(n, g, div(n, rate(n), decay)), scale)), sum};
}

// 1 - factor to the power of t
ValueId bias_correction(const Node& n, float factor) {
    const ValueId power = n.b.binary(ElementwiseOp::pow, n.b.scalar(factor), steps_before(n));
    return sub(n, n.b.scalar(1.0F), power);
}

Values adam_step(const Node& n, const Values& kinds) {
    const ValueId x = kinds[0];
    const float alpha = n.real("alpha", 0.9F);
    const float beta = n.real("beta", 0.999F);
    const ValueId g = regularized(n, x, kinds[1]);
    const ValueId mean = add(n, mul(n, kinds[2], alpha), mul(n, g, 1.0F - alpha));
    const ValueId squares = add(n, mul(n, kinds[3], beta), mul(n, mul(n, g, g), 1.0F - beta));
    const ValueId scale = add(n, unary(n, UnaryOp::sqrt, squares), n.real("epsilon", 0.0F));
    const ValueId corrected =
        div(n, mul(n, rate(n), unary(n, UnaryOp::sqrt, bias_correction(n, beta))),
            bias_correction(n, alpha));
    const ValueId adjusted = n.b.select(after_first_step(n), corrected, rate(n));
    const ValueId moved = sub(n, x, mul(n, div(n, mean, scale), adjusted));
    return {mul(n, moved, 1.0F - n.real("norm_coefficient_post", 0.0F)), mean, squares};
}

Values momentum_step(const Node& n, const Values& kinds) {
    const ValueId x = kinds[0];
    const float alpha = n.real("alpha", 0.0F);
    const ValueId g = regularized(n, x, kinds[1]);
    // In the first step, the factor of the gradient is 1.
    const ValueId beta =
        n.b.select(after_first_step(n), n.b.scalar(n.real("beta", 0.0F)), n.b.scalar(1.0F));
    const ValueId velocity = add(n, mul(n, kinds[2], alpha), mul(n, g, beta));
    const std::string mode = n.text("mode", "standard");
    if (mode != "standard" && mode != "nesterov") {
        refuse("the mode '" + mode + "' is not supported");
    }
    const ValueId direction = mode == "nesterov" ? add(n, g, mul(n, velocity, alpha)) : velocity;
    return {sub(n, x, mul(n, direction, rate(n))), velocity};
}

Values adagrad(const Node& n) {
    return for_each_tensor(n, 3, adagrad_step);
}
Values adam(const Node& n) {
    return for_each_tensor(n, 4, adam_step);
}
Values momentum(const Node& n) {
    return for_each_tensor(n, 3, momentum_step);
}

}  // namespace

void add_optimizers(OperatorTable& table) {
    table.add({
        {"ai.onnx.preview.training.Adagrad", {1}, adagrad},
        {"ai.onnx.preview.training.Adam", {1}, adam},
        {"ai.onnx.preview.training.Momentum", {1}, momentum},
    });
}

}  // namespace accel::compiler
