// SPDX-License-Identifier: Apache-2.0
//
// Losses: -weight[t] * x[t] for the class t of each target, averaged by the weights.
#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

// The classes of all targets, and the weights by which they count.
struct Targets {
    ValueId index;                                 // i64, inside the classes
    std::optional<ValueId> weight = std::nullopt;  // absent: 1
};

Targets targets_of(const Node& n, const Dims& scores) {
    Dims dims = n.b.dims(n.in(1));
    Dims expected = scores;
    if (scores.size() >= 2) {
        expected.erase(expected.begin() + 1);
    }
    if (scores.size() < 2 || dims != expected) {
        refuse("its targets " + to_string(dims) + " do not fit its scores " + to_string(scores));
    }
    dims.insert(dims.begin() + 1, 1);
    Targets t{.index = n.b.reshape(n.b.cast(n.in(1), DataType::i64), dims)};
    std::optional<ValueId> kept;
    if (n.has("ignore_index")) {
        const std::int64_t number = n.integer("ignore_index", 0);
        const ValueId ignored =
            n.b.compare(ElementwiseOp::equal, t.index, n.b.reshape(integer_list(n, {number}), {}));
        t.index = n.b.select(ignored, n.b.scalar(DataType::i64, 0), t.index);
        kept = n.b.unary(UnaryOp::logical_not, ignored);
    }
    if (n.has(2)) {
        if (n.b.dims(n.in(2)) != Dims{scores[1]}) {
            refuse("its weights " + to_string(n.b.dims(n.in(2))) + " are not one for each of " +
                   std::to_string(scores[1]) + " classes");
        }
        t.weight = n.b.gather(n.b.cast(n.in(2), DataType::f32), t.index, 0, false);
    }
    if (kept) {
        const ValueId one = n.b.scalar(1.0F);
        t.weight = n.b.select(*kept, t.weight.value_or(one), n.b.scalar(0.0F));
    }
    return t;
}

// `logs` are f32.
ValueId loss(const Node& n, ValueId logs, DataType type) {
    const Dims dims = n.b.dims(logs);
    const std::string reduction = n.text("reduction", "mean");
    if (reduction != "none" && reduction != "mean" && reduction != "sum") {
        refuse("the reduction '" + reduction + "' is not supported");
    }
    const Targets t = targets_of(n, dims);
    ValueId value = n.b.unary(UnaryOp::neg, n.b.gather(logs, t.index, 1, true));
    if (t.weight) {
        // An ignored target counts as zero, also where its score is infinite.
        const ValueId zero = n.b.scalar(0.0F);
        const ValueId counts =
            unary(n, UnaryOp::logical_not, n.b.compare(ElementwiseOp::equal, *t.weight, zero));
        value = n.b.select(counts, mul(n, value, *t.weight), zero);
    }
    if (reduction == "none") {
        return n.b.cast(squeezed(n, value, {1}), type);
    }
    const std::vector<std::size_t> all = all_axes(dims.size());
    ValueId sum = reduce(n, ReduceOp::sum, value, all);
    if (reduction == "mean") {
        const ValueId total = t.weight ? reduce(n, ReduceOp::sum, *t.weight, all)
                                       : n.b.scalar(static_cast<float>(elements(n.b.dims(value))));
        sum = div(n, sum, total);
    }
    return n.b.cast(n.b.reshape(sum, {}), type);
}

Values negative_log_likelihood(const Node& n) {
    return {loss(n, n.b.cast(n.in(0), DataType::f32), n.b.type(n.in(0)))};
}

Values cross_entropy(const Node& n) {
    const DataType type = n.b.type(n.in(0));
    static_cast<void>(n.b.length(n.in(0), 1));
    const ValueId logs = log_softmax_along(n, n.b.cast(n.in(0), DataType::f32), 1);
    return {loss(n, logs, type), n.b.cast(logs, type)};
}

}  // namespace

void add_losses(OperatorTable& table) {
    table.add({
        {"NegativeLogLikelihoodLoss", {12}, negative_log_likelihood},
        {"SoftmaxCrossEntropyLoss", {12}, cross_entropy},
    });
}

}  // namespace accel::compiler
