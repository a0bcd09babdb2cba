// SPDX-License-Identifier: Apache-2.0
//
// Attention, MultiHeadAttention and their kin of the domain com.microsoft.
#include "frontend/operators/contrib_attention.hpp"

#include <cmath>
#include <limits>

#include "frontend/operators/contrib.hpp"
#include "frontend/operators/quantized.hpp"

namespace accel::compiler {

namespace {

// Which keys a mask allows: [batch, 1, 1 or queries, keys].
ValueId allowed_keys(const Node& n, ValueId mask, std::int64_t batch, std::int64_t keys) {
    const Dims dims = n.b.dims(mask);
    const ValueId zero = n.b.scalar(n.b.type(mask), 0);
    if (dims.size() == 2 || dims.size() == 3) {
        Dims wide = dims;
        wide.insert(wide.begin() + 1, dims.size() == 2 ? 2 : 1, 1);
        return n.b.reshape(n.b.compare(ElementwiseOp::less, zero, mask), std::move(wide));
    }
    if (dims.size() != 1 || (dims[0] != batch && dims[0] != 2 * batch)) {
        refuse("a mask of the shape " + to_string(dims) + " is not supported");
    }
    // The end of each sample, and perhaps its start.
    const ValueId key = counting(n, keys, {1, 1, 1, keys});
    const ValueId bounds = n.b.cast(mask, DataType::i64);
    const auto bound = [&](std::int64_t first) {
        return n.b.reshape(n.b.slice(bounds, 0, first, batch), {batch, 1, 1, 1});
    };
    const ValueId before_end = n.b.compare(ElementwiseOp::less, key, bound(0));
    return dims[0] == batch
               ? before_end
               : *both(n, before_end, n.b.compare(ElementwiseOp::less_equal, bound(batch), key));
}

}  // namespace

Attended attended(const Node& n, const AttentionHeads& heads, const MaskedScores& scores) {
    heads.check(n);
    const DataType type = n.b.type(heads.q);
    const Dims q = n.b.dims(heads.q);
    const std::int64_t keys = n.b.dims(heads.k)[2];
    const double filter = n.real("mask_filter_value", -10000.0F);
    const float given = n.real("scale", 0.0F);
    const double scale = given == 0.0F ? 1.0 / std::sqrt(static_cast<double>(q[3])) : given;
    std::optional<ValueId> bias;
    if (scores.mask) {
        bias = masked_bias(n, type, bias, allowed_keys(n, *scores.mask, q[0], keys), filter);
    }
    // The command blocks later keys altogether. That differs only if a mask blocks the others with
    // numbers that are as low.
    const bool may_block = !scores.causal || !scores.mask || filter > -1e30;
    if (!scores.shown && may_block && has_command(n, heads)) {
        const std::optional<ValueId> mask = bias && scores.bias ? add(n, *bias, *scores.bias)
                                            : bias              ? bias
                                                                : scores.bias;
        const op::Attention form{.scale = static_cast<float>(scale),
                                 .offset = static_cast<std::int32_t>(keys - q[2]),
                                 .nan_without_keys = true};
        const AttentionWindow window{.right = scores.causal ? 0 : -1};
        const ValueId y = fused_attention(n, heads, form, window, {.mask = mask});
        return {merge_heads(n, y), std::nullopt};
    }
    ValueId x = product_of_heads(n, scaled(n, heads.q, scale), n.b.permute(heads.k, {0, 1, 3, 2}));
    if (scores.causal) {
        // The lowest number, so that a query attends no later key even where all others are masked.
        const ValueId first = n.b.scalar(DataType::i64, static_cast<double>(keys - q[2]));
        bias = masked_bias(n, type, bias, window_mask(n, {.right = 0}, first, q[2], keys),
                           std::numeric_limits<float>::lowest());
    }
    x = bias ? add(n, x, *bias) : x;
    x = scores.bias ? add(n, x, *scores.bias) : x;
    x = softmax_in_f32(n, x);
    return {merge_heads(n, product_of_heads(n, x, heads.v)), n.b.cast(x, type)};
}

namespace {

KeysAndValues behind_past(const Node& n, KeysAndValues now, std::optional<ValueId> past_k,
                          std::optional<ValueId> past_v) {
    if (past_k.has_value() != past_v.has_value()) {
        refuse("it has only one of past_key and past_value");
    }
    return past_k ? KeysAndValues{n.b.concat({*past_k, now.k}, 2), n.b.concat({*past_v, now.v}, 2)}
                  : now;
}

// The rest of Attention, from [batch, length, q + k + v hidden] on.
Values projected_attention(const Node& n, ValueId projected, const Dims& hidden,
                           std::optional<ValueId> past, const MaskedScores& scores) {
    if (n.integer("do_rotary", 0) != 0 || n.integer("past_present_share_buffer", 0) != 0) {
        refuse("do_rotary and past_present_share_buffer are not supported");
    }
    const std::int64_t count = n.integer("num_heads", 1);
    std::int64_t at = 0;
    const auto part = [&](std::size_t index) {
        const ValueId x = n.b.slice(projected, 2, at, hidden[index]);
        at += hidden[index];
        return split_heads(n, x, count);
    };
    const ValueId q = part(0);
    const ValueId k = part(1);
    KeysAndValues kv{k, part(2)};
    if (past) {
        // [2, batch, heads, length, size]
        const Dims dims = n.b.dims(*past);
        if (dims.size() != 5 || dims[0] != 2) {
            refuse("its past " + to_string(dims) + " does not hold keys and values");
        }
        const auto half = [&](std::int64_t index) {
            return n.b.reshape(n.b.slice(*past, 0, index, 1), Dims(dims.begin() + 1, dims.end()));
        };
        kv = behind_past(n, kv, half(0), half(1));
    }
    Values results{attended(n, {q, kv.k, kv.v}, scores).result};
    if (n.output_count() > 1) {
        const auto one = [&](ValueId x) {
            Dims dims = n.b.dims(x);
            dims.insert(dims.begin(), 1);
            return n.b.reshape(x, std::move(dims));
        };
        results.push_back(n.b.concat({one(kv.k), one(kv.v)}, 0));
    }
    return results;
}

bool unidirectional(const Node& n) {
    return n.integer("unidirectional", 0) != 0;
}

Values attention(const Node& n) {
    const ValueId projected = add_input(n, lowered_as(n, "MatMul", {n.in(0), n.in(1)})[0], 2);
    const std::int64_t all = n.b.length(projected, 2);
    Dims hidden = n.list("qkv_hidden_sizes", {all / 3, all / 3, all / 3});
    if (hidden.size() != 3 || hidden[0] + hidden[1] + hidden[2] != all) {
        refuse("its qkv_hidden_sizes do not add up to the columns of its weights, " +
               std::to_string(all));
    }
    return projected_attention(n, projected, hidden, optional_input(n, 4),
                               {optional_input(n, 3), optional_input(n, 5), unidirectional(n)});
}

Values quantized_attention(const Node& n) {
    const ValueId projected = add(n,
                                  dequantized_product(n, {n.in(0), n.in(3), optional_input(n, 6)},
                                                      {n.in(1), n.in(4), optional_input(n, 7)}),
                                  n.in(2));
    const std::int64_t size = n.b.length(projected, 2) / 3;
    return projected_attention(n, projected, {size, size, size}, optional_input(n, 8),
                               {optional_input(n, 5), std::nullopt, unidirectional(n)});
}

// One of the tensors [batch, length, heads, count, size], as [batch, heads, length, size].
ValueId unpacked(const Node& n, ValueId packed, std::int64_t index) {
    const Dims dims = n.b.dims(packed);
    const ValueId part = n.b.slice(packed, 3, index, 1);
    return n.b.permute(n.b.reshape(part, {dims[0], dims[1], dims[2], dims[4]}), {0, 2, 1, 3});
}

// The numbers of the inputs of MultiHeadAttention and its kin.
struct MultiHeadInputs {
    std::size_t bias;
    std::size_t mask;
    std::size_t scores_bias;
    std::size_t past_key;
    std::size_t past_value;
};

// A part of the bias of a projection, as [heads, 1, size].
ValueId bias_part(const Node& n, ValueId bias, std::int64_t start, ValueId x) {
    const std::int64_t heads = n.b.dims(x)[1];
    const std::int64_t size = n.b.dims(x)[3];
    return n.b.reshape(n.b.slice(bias, 0, start, heads * size), {heads, 1, size});
}

AttentionHeads multi_heads(const Node& n) {
    const std::int64_t count = n.integer("num_heads", 1);
    const ValueId query = n.in(0);
    if (n.b.rank(query) == 5) {
        return {unpacked(n, query, 0), unpacked(n, query, 1), unpacked(n, query, 2)};
    }
    const ValueId q = split_heads(n, query, count);
    if (!n.has(1)) {
        refuse("its query has the keys and values, which is supported in five dimensions only");
    }
    if (n.b.rank(n.in(1)) == 5) {
        return {q, unpacked(n, n.in(1), 0), unpacked(n, n.in(1), 1)};
    }
    const auto split = [&](ValueId x) { return n.b.rank(x) == 4 ? x : split_heads(n, x, count); };
    return {q, split(n.in(1)), split(n.in(2))};
}

Values multi_head(const Node& n, const MultiHeadInputs& from, bool causal) {
    for (std::size_t input = from.past_value + 1; input < n.count(); ++input) {
        if (input != from.bias && n.has(input)) {
            refuse("a cache that past and present share, or that beams share, is not supported");
        }
    }
    AttentionHeads heads = multi_heads(n);
    if (n.has(from.bias)) {
        const ValueId bias = n.in(from.bias);
        const auto hidden = [&](ValueId x) { return n.b.dims(x)[1] * n.b.dims(x)[3]; };
        const std::int64_t q = hidden(heads.q);
        const std::int64_t k = hidden(heads.k);
        heads.q = add(n, heads.q, bias_part(n, bias, 0, heads.q));
        // Keys and values of four dimensions are complete.
        if (!n.has(1) || n.b.rank(n.in(1)) != 4) {
            heads.k = add(n, heads.k, bias_part(n, bias, q, heads.k));
            heads.v = add(n, heads.v, bias_part(n, bias, q + k, heads.v));
        }
    }
    const KeysAndValues kv = behind_past(n, {heads.k, heads.v}, optional_input(n, from.past_key),
                                         optional_input(n, from.past_value));
    const Attended y = attended(n, {heads.q, kv.k, kv.v},
                                {optional_input(n, from.mask), optional_input(n, from.scores_bias),
                                 causal, n.output_count() > 3});
    Values results{y.result, kv.k, kv.v};
    if (y.probabilities) {
        results.push_back(*y.probabilities);
    }
    return results;
}

Values multi_head_attention(const Node& n) {
    return multi_head(n, {.bias = 3, .mask = 4, .scores_bias = 5, .past_key = 6, .past_value = 7},
                      unidirectional(n));
}

Values decoder_attention(const Node& n) {
    if (n.integer("past_present_share_buffer", 0) != 0) {
        refuse("past_present_share_buffer is not supported");
    }
    return multi_head(n, {.bias = 10, .mask = 3, .scores_bias = 4, .past_key = 5, .past_value = 6},
                      false);
}

}  // namespace

void add_contrib_attention(OperatorTable& table) {
    table.add({
        {"com.microsoft.Attention", attention},
        {"com.microsoft.DecoderMaskedMultiHeadAttention", decoder_attention},
        {"com.microsoft.MultiHeadAttention", multi_head_attention},
        {"com.microsoft.QAttention", quantized_attention},
    });
}

}  // namespace accel::compiler
