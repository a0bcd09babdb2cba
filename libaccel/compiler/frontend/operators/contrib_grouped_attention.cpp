// SPDX-License-Identifier: Apache-2.0
//
// GroupQueryAttention of the domain com.microsoft: several query heads share a key head, the cache
// has room for more keys than are valid, and positions rotate inside the operator.
#include <cmath>
#include <limits>

#include "frontend/operators/attention_core.hpp"
#include "frontend/operators/contrib.hpp"

namespace accel::compiler {

namespace {

constexpr std::size_t past_key_input = 3;
constexpr std::size_t past_value_input = 4;
constexpr std::size_t lengths_input = 5;
constexpr std::size_t total_input = 6;
constexpr std::size_t cosine_input = 7;
constexpr std::size_t sine_input = 8;
constexpr std::size_t position_input = 9;
constexpr std::size_t bias_input = 10;
constexpr std::size_t sink_input = 11;

void refuse_unsupported(const Node& n) {
    for (const char* name : {"k_quant_type", "v_quant_type"}) {
        if (n.text(name, "NONE") != "NONE") {
            refuse("a quantized cache is not supported");
        }
    }
    if (n.integer("sliding_window_cache", 0) != 0 || n.integer("qk_output", 0) != 0) {
        refuse("sliding_window_cache and qk_output are not supported");
    }
    for (std::size_t i = sink_input + 1; i < n.count(); ++i) {
        if (n.has(i)) {
            refuse("its input " + std::to_string(i) + " is not supported");
        }
    }
}

// The new tokens, [batch, length, heads, size] each. The query may hold all three.
struct Tokens {
    ValueId q = 0;
    ValueId k = 0;
    ValueId v = 0;
};
Tokens tokens_of(const Node& n) {
    const std::int64_t heads = n.integer("num_heads", 1);
    const std::int64_t groups = n.integer("kv_num_heads", 1);
    if (n.has(1)) {
        return {with_heads(n, n.in(0), heads), with_heads(n, n.in(1), groups),
                with_heads(n, n.in(2), groups)};
    }
    const ValueId all = with_heads(n, n.in(0), heads + 2 * groups);
    return {n.b.slice(all, 2, 0, heads), n.b.slice(all, 2, heads, groups),
            n.b.slice(all, 2, heads + groups, groups)};
}

// The state of the cache: of `room` keys, the new ones begin at `first` [batch, 1].
struct Cache {
    std::int64_t length = 0;  // of the new tokens
    std::int64_t past = 0;    // the room of the past
    std::int64_t room = 0;
    bool prompt = false;  // all keys are new
    ValueId first = 0;
};
Cache cache_of(const Node& n, std::int64_t batch, std::int64_t length) {
    const std::int64_t total = n.first_integer(total_input);
    Cache cache{.length = length};
    if (n.has(past_key_input)) {
        cache.past = n.b.length(n.in(past_key_input), 2);
    }
    cache.room = std::max(total, cache.past);
    cache.prompt = total == length;
    const auto integer = [&](std::int64_t value) {
        return n.b.scalar(DataType::i64, static_cast<double>(value));
    };
    if (total < length) {
        refuse("its total_sequence_length " + std::to_string(total) + " is below the " +
               std::to_string(length) + " new tokens");
    }
    cache.first =
        cache.prompt ? n.b.broadcast(integer(0), {batch, 1})
                     : sub(n, n.b.reshape(n.b.cast(n.in(lengths_input), DataType::i64), {batch, 1}),
                           integer(length - 1));
    return cache;
}

// Writes the new rows [batch, heads, length, size] behind the valid rows of the past.
ValueId updated(const Node& n, const Cache& cache, std::size_t past, ValueId rows) {
    if (cache.past == 0 && cache.room == cache.length) {
        return rows;
    }
    const Dims dims = n.b.dims(rows);
    Dims missing(4, 0);
    missing[2] = cache.room - cache.past;
    const ValueId zero = n.b.scalar(n.b.type(rows), 0);
    const ValueId old = cache.past == 0
                            ? n.b.broadcast(zero, {dims[0], dims[1], cache.room, dims[3]})
                            : n.b.pad(n.in(past), Dims(4, 0), missing, zero);
    if (n.b.dims(old) != Dims{dims[0], dims[1], cache.room, dims[3]}) {
        refuse("its past " + to_string(n.b.dims(n.in(past))) +
               " does not fit new keys of the "
               "shape " +
               to_string(dims));
    }
    const ValueId row = sub(n, counting(n, cache.room, {1, cache.room}), cache.first);
    return scattered_rows(n, old, rows, row);
}

ValueId positions_of(const Node& n, const Cache& cache) {
    if (n.has(position_input)) {
        return n.b.cast(n.in(position_input), DataType::i64);
    }
    return add(n, cache.first, counting(n, cache.length, {1, cache.length}));
}

void rotate(const Node& n, const Cache& cache, Tokens& tokens) {
    const ValueId positions = positions_of(n, cache);
    const bool interleaved = n.integer("rotary_interleaved", 0) != 0;
    const ValueId cosines = n.b.gather(n.in(cosine_input), positions, 0, false);
    const ValueId sines = n.b.gather(n.in(sine_input), positions, 0, false);
    tokens.q = rotated(n, tokens.q, cosines, sines, interleaved);
    tokens.k = rotated(n, tokens.k, cosines, sines, interleaved);
}

// A softmax whose denominator has one more term for each head.
ValueId softmax_with_sink(const Node& n, ValueId x) {
    const Dims dims = n.b.dims(x);
    if (!n.has(sink_input) && n.integer("smooth_softmax", 0) == 0) {
        return softmax_in_f32(n, x);
    }
    const ValueId sink = n.has(sink_input) ? n.b.reshape(n.b.cast(n.in(sink_input), DataType::f32),
                                                         {1, dims[1], 1, 1})
                                           : n.b.scalar(0.0F);
    const ValueId wide = n.b.concat(
        {n.b.cast(x, DataType::f32), n.b.broadcast(sink, {dims[0], dims[1], dims[2], 1})}, 3);
    return n.b.slice(softmax_in_f32(n, wide), 3, 0, dims[3]);
}

// The bias of the scores; it may be shorter than the keys.
ValueId padded_bias(const Node& n, std::int64_t keys) {
    const ValueId bias = n.in(bias_input);
    if (n.b.rank(bias) != 4 || n.b.dims(bias)[3] >= keys) {
        return bias;
    }
    Dims after(4, 0);
    after[3] = keys - n.b.dims(bias)[3];
    return n.b.pad(bias, Dims(4, 0), after, n.b.scalar(n.b.type(bias), 0));
}

// The scores of keys that a query may not attend are -inf.
ValueId masked_scores(const Node& n, const Cache& cache, ValueId scores) {
    const Dims dims = n.b.dims(scores);
    const DataType type = n.b.type(scores);
    const ValueId first = n.b.reshape(cache.first, {dims[0], 1, 1, 1});
    const std::int64_t window = n.integer("local_window_size", -1);
    std::optional<ValueId> allowed;
    if (n.integer("causal", 1) != 0) {
        allowed = window_mask(n, {.left = window > 0 ? window - 1 : window, .right = 0}, first,
                              dims[2], dims[3]);
    } else {
        const ValueId last =
            n.b.reshape(n.b.cast(n.in(lengths_input), DataType::i64), {dims[0], 1, 1, 1});
        allowed =
            n.b.compare(ElementwiseOp::less_equal, counting(n, dims[3], {1, 1, 1, dims[3]}), last);
    }
    if (n.has(bias_input)) {
        scores = add(n, scores, padded_bias(n, dims[3]));
    }
    return n.b.select(*allowed, scores, n.b.scalar(type, -std::numeric_limits<double>::infinity()));
}

// The attention as a command, unless its softmax has another term.
std::optional<ValueId> as_command(const Node& n, const Cache& cache, const AttentionHeads& heads,
                                  double scale) {
    op::Attention form{.scale = static_cast<float>(scale),
                       .softcap = n.real("softcap", 0.0F),
                       .nan_without_keys = true};
    if (n.has(sink_input) || n.integer("smooth_softmax", 0) != 0 || !(form.softcap >= 0) ||
        !has_command(n, heads)) {
        return std::nullopt;
    }
    AttentionWindow window;
    AttentionLimits limits;
    if (n.integer("causal", 1) != 0) {
        const std::int64_t size = n.integer("local_window_size", -1);
        window = {.left = size > 0 ? size - 1 : size, .right = 0};
        if (!cache.prompt) {
            limits.positions = n.in(lengths_input);
            form.offset = static_cast<std::int32_t>(1 - cache.length);
        }
    } else {
        const ValueId last = n.b.cast(n.in(lengths_input), DataType::i64);
        limits.lengths = add(n, last, n.b.scalar(DataType::i64, 1));
    }
    if (n.has(bias_input)) {
        limits.mask = padded_bias(n, n.b.dims(heads.k)[2]);
    }
    return fused_attention(n, heads, form, window, limits);
}

Values group_query_attention(const Node& n) {
    refuse_unsupported(n);
    Tokens tokens = tokens_of(n);
    const Dims q = n.b.dims(tokens.q);
    const Cache cache = cache_of(n, q[0], q[1]);
    if (n.integer("do_rotary", 0) != 0) {
        rotate(n, cache, tokens);
    }
    const auto heads_first = [&](ValueId x) { return n.b.permute(x, {0, 2, 1, 3}); };
    const AttentionHeads heads{heads_first(tokens.q),
                               updated(n, cache, past_key_input, heads_first(tokens.k)),
                               updated(n, cache, past_value_input, heads_first(tokens.v))};
    heads.check(n);
    const float given = n.real("scale", 0.0F);
    const double scale = given == 0.0F ? 1.0 / std::sqrt(static_cast<double>(q[3])) : given;
    if (const std::optional<ValueId> y = as_command(n, cache, heads, scale)) {
        return {merge_heads(n, *y), heads.k, heads.v};
    }
    ValueId x = product_of_heads(n, scaled(n, heads.q, scale), n.b.permute(heads.k, {0, 1, 3, 2}));
    x = soft_capped(n, x, n.real("softcap", 0.0F));
    x = softmax_with_sink(n, masked_scores(n, cache, x));
    return {merge_heads(n, product_of_heads(n, x, heads.v)), heads.k, heads.v};
}

}  // namespace

void add_contrib_grouped_attention(OperatorTable& table) {
    table.add({{"com.microsoft.GroupQueryAttention", group_query_attention}});
}

}  // namespace accel::compiler
