// SPDX-License-Identifier: Apache-2.0
//
// The operators Attention and FlexAttention of ONNX: as the command ATTENTION, or as products and a
// softmax.
#include "frontend/operators/attention_core.hpp"

#include <array>
#include <cmath>
#include <limits>

#include "frontend/onnx_tensor.hpp"

namespace accel::compiler {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// The stages that the output qk_matmul_output may show.
constexpr std::int64_t after_cap = 1;
constexpr std::int64_t after_bias = 2;
constexpr std::int64_t after_softmax = 3;

// The inputs of Attention.
constexpr std::size_t mask_input = 3;
constexpr std::size_t past_key_input = 4;
constexpr std::size_t past_value_input = 5;
constexpr std::size_t lengths_input = 6;

bool three_dimensional(const Node& n) {
    return n.b.rank(n.in(0)) == 3;
}

// The heads of a node whose inputs are the new tokens, behind those of the past.
AttentionHeads heads_of(const Node& n) {
    AttentionHeads heads{n.in(0), n.in(1), n.in(2)};
    if (three_dimensional(n)) {
        if (!n.has("q_num_heads") || !n.has("kv_num_heads")) {
            refuse("its inputs have three dimensions, and it lacks q_num_heads or kv_num_heads");
        }
        const std::int64_t groups = n.integer("kv_num_heads", 1);
        heads = {split_heads(n, heads.q, n.integer("q_num_heads", 1)),
                 split_heads(n, heads.k, groups), split_heads(n, heads.v, groups)};
    }
    if (n.has(past_key_input) != n.has(past_value_input)) {
        refuse("it has only one of past_key and past_value");
    }
    if (n.has(past_key_input)) {
        heads.k = n.b.concat({n.in(past_key_input), heads.k}, 2);
        heads.v = n.b.concat({n.in(past_value_input), heads.v}, 2);
    }
    heads.check(n);
    return heads;
}

// The position of the first query among the keys.
ValueId first_position(const Node& n, std::int64_t queries) {
    if (n.has(past_key_input)) {
        return n.b.scalar(DataType::i64, static_cast<double>(n.b.length(n.in(past_key_input), 2)));
    }
    if (n.has(lengths_input)) {
        const ValueId lengths = n.b.cast(n.in(lengths_input), DataType::i64);
        return sub(n, n.b.reshape(lengths, {n.b.length(lengths, 0), 1, 1, 1}),
                   n.b.scalar(DataType::i64, static_cast<double>(queries)));
    }
    return n.b.scalar(DataType::i64, 0);
}

AttentionWindow window_of(const Node& n) {
    AttentionWindow window{n.integer("left_window_size", -1), n.integer("right_window_size", -1)};
    if (window.left < -1 || window.right < -1) {
        refuse("its window has a size below -1");
    }
    if (n.integer("is_causal", 0) != 0) {
        window.right = 0;
    }
    return window;
}

// A mask may be shorter than the keys; the rest is blocked.
ValueId padded_mask(const Node& n, ValueId mask, std::int64_t keys) {
    if (n.b.rank(mask) == 0 || n.b.dims(mask).back() >= keys) {
        return mask;
    }
    const DataType type = n.b.type(mask);
    Dims before(n.b.rank(mask), 0);
    Dims after = before;
    after.back() = keys - n.b.dims(mask).back();
    const double blocked = type == DataType::boolean ? 0 : -infinity;
    return n.b.pad(mask, before, after, n.b.scalar(type, blocked));
}

// The sum of all masks: 0 or a value of the mask where a query may attend, else -inf.
std::optional<ValueId> bias_of(const Node& n, const AttentionHeads& heads) {
    const DataType type = n.b.type(heads.q);
    const std::int64_t queries = n.b.dims(heads.q)[2];
    const std::int64_t keys = n.b.dims(heads.k)[2];
    std::optional<ValueId> allowed =
        window_mask(n, window_of(n), first_position(n, queries), queries, keys);
    if (n.has(lengths_input)) {
        if (n.has(past_key_input)) {
            refuse("it has nonpad_kv_seqlen and past_key");
        }
        const ValueId lengths = n.b.cast(n.in(lengths_input), DataType::i64);
        allowed = both(n, allowed,
                       n.b.compare(ElementwiseOp::less, counting(n, keys, {1, 1, 1, keys}),
                                   n.b.reshape(lengths, {n.b.length(lengths, 0), 1, 1, 1})));
    }
    std::optional<ValueId> bias;
    if (n.has(mask_input)) {
        const ValueId mask = padded_mask(n, n.in(mask_input), keys);
        if (n.b.type(mask) == DataType::boolean) {
            allowed = both(n, allowed, mask);
        } else {
            bias = n.b.cast(mask, type);
        }
    }
    return masked_bias(n, type, bias, allowed, -infinity);
}

// The attention as a command, if the node shows no scores.
std::optional<ValueId> as_command(const Node& n, const AttentionHeads& heads) {
    const double size = static_cast<double>(n.b.dims(heads.q)[3]);
    op::Attention form{.scale = n.real("scale", static_cast<float>(1.0 / std::sqrt(size))),
                       .softcap = n.real("softcap", 0.0F)};
    if (n.output_count() > 3 || !has_command(n, heads) || !(form.softcap >= 0) ||
        (n.has(lengths_input) && n.has(past_key_input))) {
        return std::nullopt;
    }
    AttentionLimits limits;
    const AttentionWindow window = window_of(n);
    if (n.has(past_key_input)) {
        form.offset = static_cast<std::int32_t>(n.b.length(n.in(past_key_input), 2));
    }
    if (n.has(lengths_input)) {
        limits.lengths = n.in(lengths_input);
        // The last query is that of the last key.
        if (window.left >= 0 || window.right >= 0) {
            limits.positions = limits.lengths;
            form.offset = static_cast<std::int32_t>(-n.b.dims(heads.q)[2]);
        }
    }
    if (n.has(mask_input)) {
        const ValueId mask = padded_mask(n, n.in(mask_input), n.b.dims(heads.k)[2]);
        const bool is_boolean = n.b.type(mask) == DataType::boolean;
        limits.mask = is_boolean ? mask : n.b.cast(mask, n.b.type(heads.q));
    }
    return fused_attention(n, heads, form, window, limits);
}

// Both factors of a product carry the square root of the scale, so that f16 does not overflow. In
// f32, one multiplication is enough.
ValueId scores_of(const Node& n, const AttentionHeads& heads) {
    const std::int64_t size = n.b.dims(heads.q)[3];
    const double scale =
        n.real("scale", static_cast<float>(1.0 / std::sqrt(static_cast<double>(size))));
    const ValueId keys = n.b.permute(heads.k, {0, 1, 3, 2});
    if (n.b.type(heads.q) == DataType::f32) {
        return product_of_heads(n, scaled(n, heads.q, scale), keys);
    }
    if (scale < 0) {
        refuse("its scale is negative");
    }
    const double root = std::sqrt(scale);
    return product_of_heads(n, scaled(n, heads.q, root), scaled(n, keys, root));
}

// The type in which the softmax is computed; f32 is at least as precise as the type of the inputs.
DataType softmax_type(const Node& n) {
    return n.b.compute_type(
        data_type_of(n.integer("softmax_precision", onnx_type_of(DataType::f32))));
}
ValueId softmax(const Node& n, ValueId x, DataType precision) {
    return n.b.cast(softmax_in_f32(n, n.b.cast(x, precision)), precision);
}

Values attention(const Node& n) {
    const AttentionHeads heads = heads_of(n);
    const DataType type = n.b.type(heads.q);
    const std::int64_t mode = n.integer("qk_matmul_output_mode", 0);
    if (mode < 0 || mode > after_softmax) {
        refuse("its qk_matmul_output_mode is " + std::to_string(mode) + ", not 0, 1, 2 or 3");
    }
    if (const std::optional<ValueId> y = as_command(n, heads)) {
        return {three_dimensional(n) ? merge_heads(n, *y) : *y, heads.k, heads.v};
    }
    ValueId x = scores_of(n, heads);
    ValueId shown = x;
    x = soft_capped(n, x, n.real("softcap", 0.0F));
    shown = mode == after_cap ? x : shown;
    const std::optional<ValueId> bias = bias_of(n, heads);
    x = bias ? add(n, x, *bias) : x;
    shown = mode == after_bias ? x : shown;
    x = softmax(n, x, softmax_type(n));
    // The result of a query that attends no key is zero.
    const std::optional<ValueId> blocked = blocked_rows(n, bias);
    const auto without_blocked = [&](ValueId rows) {
        return blocked ? n.b.select(*blocked, n.b.scalar(type, 0), rows) : rows;
    };
    if (mode == after_softmax && n.output_count() > 3) {
        shown = without_blocked(n.b.cast(x, type));
    }
    const ValueId y = without_blocked(product_of_heads(n, x, heads.v));
    return {three_dimensional(n) ? merge_heads(n, y) : y, heads.k, heads.v, shown};
}

Values flex_attention(const Node& n) {
    const AttentionHeads heads{n.in(0), n.in(1), n.in(2)};
    heads.check(n);
    const DataType type = n.b.type(heads.q);
    const DataType precision = softmax_type(n);
    const auto modified = [&](const char* graph, ValueId x) {
        if (!n.has(graph)) {
            return x;
        }
        const Values results = n.inlined(graph, {x});
        if (results.size() != 1 || n.b.dims(results[0]) != n.b.dims(x) ||
            n.b.type(results[0]) != n.b.type(x)) {
            refuse(std::string("its graph '") + graph + "' changes the shape or the data type");
        }
        return results[0];
    };
    ValueId x = modified("score_mod", n.b.cast(scores_of(n, heads), precision));
    x = modified("prob_mod", softmax(n, x, precision));
    return {n.b.cast(product_of_heads(n, x, heads.v), type)};
}

}  // namespace

void add_attention(OperatorTable& table) {
    table.add({
        {"Attention", {23}, attention},
        {"ai.onnx.preview.FlexAttention", flex_attention},
    });
}

}  // namespace accel::compiler
