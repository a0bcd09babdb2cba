// SPDX-License-Identifier: Apache-2.0
//
// LinearAttention, unrolled: the state of a step follows from the state before it, in f32.
#include <cmath>

#include "frontend/operators/attention_core.hpp"

namespace accel::compiler {

namespace {

// The inputs of the operator.
constexpr std::size_t past_input = 3;
constexpr std::size_t decay_input = 4;
constexpr std::size_t rate_input = 5;

struct Rule {
    bool gated = false;
    bool delta = false;
};

Rule rule_of(const Node& n) {
    const std::string name = n.text("update_rule", "gated_delta");
    const Rule rule{name == "gated" || name == "gated_delta",
                    name == "delta" || name == "gated_delta"};
    if (!rule.gated && !rule.delta && name != "linear") {
        refuse("its update_rule '" + name + "' is unknown");
    }
    if (rule.gated != n.has(decay_input) || rule.delta != n.has(rate_input)) {
        refuse("its inputs decay and beta do not fit the update_rule '" + name + "'");
    }
    return rule;
}

// [batch, steps, heads * size] as [batch, heads, steps, size], in f32.
ValueId heads_in_f32(const Node& n, ValueId x, std::int64_t heads) {
    return n.b.cast(split_heads(n, x, heads), DataType::f32);
}

Values linear_attention(const Node& n) {
    if (n.integer("state_window", 0) != 0) {
        refuse("state_window is not supported");
    }
    const Rule rule = rule_of(n);
    const std::int64_t groups = n.integer("kv_num_heads", 1);
    const AttentionHeads heads{heads_in_f32(n, n.in(0), n.integer("q_num_heads", 1)),
                               heads_in_f32(n, n.in(1), groups), heads_in_f32(n, n.in(2), groups)};
    heads.check(n);
    const Dims q = n.b.dims(heads.q);
    const std::int64_t steps = q[2];
    const std::int64_t size = q[3];
    const std::int64_t value_size = n.b.dims(heads.v)[3];
    if (steps == 0 || n.b.dims(heads.k)[2] != steps) {
        refuse("its queries, keys and values do not have one length above zero");
    }
    const float given_scale = n.real("scale", 0.0F);
    const double scale =
        given_scale == 0.0F ? 1.0 / std::sqrt(static_cast<double>(size)) : given_scale;
    const Dims shape{q[0], groups, size, value_size};
    ValueId state = n.has(past_input) ? n.b.cast(n.in(past_input), DataType::f32)
                                      : n.b.broadcast(n.b.scalar(0.0F), shape);
    if (n.b.dims(state) != shape) {
        refuse("its past_state " + to_string(n.b.dims(state)) + " is not " + to_string(shape));
    }
    const ValueId queries = scaled(n, heads.q, scale);
    const ValueId decay =
        rule.gated ? unary(n, UnaryOp::exp, heads_in_f32(n, n.in(decay_input), groups)) : 0;
    const ValueId rate =
        rule.delta
            ? heads_in_f32(n, n.in(rate_input), n.b.length(n.in(rate_input), 2) == 1 ? 1 : groups)
            : 0;
    Values outputs;
    for (std::int64_t step = 0; step < steps; ++step) {
        // [batch, heads, 1, size]
        const auto at = [&](ValueId x) { return n.b.slice(x, 2, step, 1); };
        const auto column = [&](ValueId x) { return n.b.permute(at(x), {0, 1, 3, 2}); };
        if (rule.gated) {
            state = mul(n, state, column(decay));
        }
        ValueId value = at(heads.v);
        if (rule.delta) {
            value = mul(n, at(rate), sub(n, value, n.b.matmul(at(heads.k), state)));
        }
        state = add(n, state, mul(n, column(heads.k), value));
        outputs.push_back(product_of_heads(n, at(queries), state));
    }
    const ValueId y = merge_heads(n, n.b.concat(outputs, 2));
    const DataType type = n.b.type(n.in(0));
    return {n.b.cast(y, type),
            n.b.cast(state, n.has(past_input) ? n.b.type(n.in(past_input)) : type)};
}

}  // namespace

void add_linear_attention(OperatorTable& table) {
    table.add({
        {"LinearAttention", {27}, linear_attention},
        {"com.microsoft.LinearAttention", linear_attention},
    });
}

}  // namespace accel::compiler
