// SPDX-License-Identifier: Apache-2.0
//
// Normalizations of the domain com.microsoft: with a residual, a bias or embeddings before them.
#include "frontend/operators/contrib.hpp"

namespace accel::compiler {

namespace {

// x / sqrt(mean(x^2) + epsilon) * scale + shift, in f32. `centered`: subtracts the mean of x first.
// The outputs are the result in the type of x, the mean, and the inverse deviation.
Values normalized(const Node& n, ValueId given, ValueId scale, std::optional<ValueId> shift,
                  bool centered, float epsilon) {
    const std::size_t last = n.b.rank(given) - 1;
    static_cast<void>(n.b.length(given, last));
    const auto wide = [&](ValueId value) { return n.b.cast(value, DataType::f32); };
    const ValueId x = wide(given);
    const ValueId mean = n.b.reduce(ReduceOp::mean, x, {last});
    const ValueId y = centered ? sub(n, x, mean) : x;
    const ValueId power = n.b.reduce(ReduceOp::mean, mul(n, y, y), {last});
    const ValueId inverse =
        unary(n, UnaryOp::reciprocal, unary(n, UnaryOp::sqrt, add(n, power, n.b.scalar(epsilon))));
    ValueId result = mul(n, mul(n, y, inverse), wide(scale));
    result = shift ? add(n, result, wide(*shift)) : result;
    return {n.b.cast(result, n.b.type(given)), mean, inverse};
}

// The residual may lack the batch, or have one for all.
ValueId with_skip(const Node& n, std::size_t bias) {
    return add_input(n, add(n, n.in(0), n.in(1)), bias);
}

Values skip_layer_norm(const Node& n) {
    const ValueId sum = with_skip(n, 4);
    Values all = normalized(n, sum, n.in(2), optional_input(n, 3), true, n.real("epsilon", 1e-12F));
    all.push_back(sum);
    return all;
}

Values skip_simplified_norm(const Node& n) {
    const ValueId sum = with_skip(n, 3);
    Values all = normalized(n, sum, n.in(2), std::nullopt, false, n.real("epsilon", 1e-5F));
    all.push_back(sum);
    return all;
}

Values simplified_norm(const Node& n) {
    const ValueId x = n.in(0);
    if (normalize_axis(n.integer("axis", -1), n.b.rank(x)) + 1 != n.b.rank(x)) {
        refuse("it normalizes another axis than the last, which is not supported");
    }
    const Values all = normalized(n, x, n.in(1), std::nullopt, false, n.real("epsilon", 1e-5F));
    return {all[0], all[2]};
}

// ---- embeddings

// (table - zero_point) * scale for bytes, else the table. `scale` and `zero` are the numbers of
// inputs.
struct Table {
    std::size_t input;
    std::size_t scale = 0;  // 0: the table is not quantized
    std::size_t zero = 0;
};

ValueId dequantized(const Node& n, ValueId x, const Table& table) {
    return table.scale == 0 ? x
                            : lowered_as(n, "DequantizeLinear",
                                         {x, n.b.reshape(n.in(table.scale), {}),
                                          n.b.reshape(n.in(table.zero), {})})[0];
}

ValueId rows_of(const Node& n, const Table& table, ValueId indices) {
    return dequantized(n, n.b.gather(n.in(table.input), indices, 0, false), table);
}

struct Embeddings {
    Table words;
    Table positions;
    Table segments;
    Table gamma;
    Table beta;
    std::size_t mask;
    std::size_t position_ids;  // 0: the operator has no such input
};

Values embedding_norm(const Node& n, const Embeddings& from) {
    const ValueId ids = n.in(0);
    const Dims dims = n.b.dims(ids);
    if (dims.size() != 2) {
        refuse("its input_ids " + to_string(dims) + " do not have two dimensions");
    }
    const ValueId gamma = dequantized(n, n.in(from.gamma.input), from.gamma);
    // The tables may be f16 while the sums are f32.
    const auto part = [&](ValueId rows) { return n.b.cast(rows, n.b.type(gamma)); };
    ValueId sum = part(rows_of(n, from.words, ids));
    if (from.position_ids != 0 && n.has(from.position_ids)) {
        sum = add(n, sum, part(rows_of(n, from.positions, n.in(from.position_ids))));
    } else {
        const ValueId first = n.b.slice(n.in(from.positions.input), 0, 0, dims[1]);
        sum = add(n, sum, part(dequantized(n, first, from.positions)));
    }
    if (n.has(from.segments.input)) {
        sum = add(n, sum, part(rows_of(n, from.segments, n.in(1))));
    }
    const ValueId y = normalized(n, sum, gamma, dequantized(n, n.in(from.beta.input), from.beta),
                                 true, n.real("epsilon", 1e-12F))[0];
    // The number of words in each sample: the mask has ones and then zeros.
    ValueId count = n.b.broadcast(n.b.scalar(DataType::i32, 0), {dims[0]});
    if (n.has(from.mask)) {
        const ValueId words = n.b.cast(n.in(from.mask), DataType::i32);
        count = n.b.reshape(reduce(n, ReduceOp::sum, words, {1}), {dims[0]});
    }
    return {y, count, sum};
}

Values embed_layer_norm(const Node& n) {
    return embedding_norm(n, {.words = {2},
                              .positions = {3},
                              .segments = {4},
                              .gamma = {5},
                              .beta = {6},
                              .mask = 7,
                              .position_ids = 8});
}

Values quantized_embed_layer_norm(const Node& n) {
    const Values all = embedding_norm(n, {.words = {2, 8, 13},
                                          .positions = {3, 9, 14},
                                          .segments = {4, 10, 15},
                                          .gamma = {5, 11, 16},
                                          .beta = {6, 12, 17},
                                          .mask = 7,
                                          .position_ids = 0});
    return {all[0], all[1]};
}

// ---- groups of channels

// `x` is [n, h, w, c], or [n, c, h, w] if channels_last is 0.
ValueId group_norm_of(const Node& n, ValueId given) {
    const bool last = n.integer("channels_last", 1) != 0;
    const std::int64_t groups = n.integer("groups", 1);
    const std::size_t rank = n.b.rank(given);
    static_cast<void>(n.b.length(given, 2));
    std::vector<std::size_t> to_front{0, rank - 1};
    std::vector<std::size_t> to_back{0};
    for (std::size_t i = 1; i + 1 < rank; ++i) {
        to_front.push_back(i);
        to_back.push_back(i + 1);
    }
    to_back.push_back(1);
    const ValueId x =
        n.b.cast(last ? n.b.permute(given, to_front) : given, DataType::f32);  // [n, c, ...]
    const Dims dims = n.b.dims(x);
    if (groups < 1 || elements(dims) == 0 || dims[1] % groups != 0) {
        refuse("its input " + to_string(n.b.dims(given)) + " cannot be split into " +
               std::to_string(groups) + " groups of channels");
    }
    const ValueId parts = n.b.reshape(x, {dims[0], groups, elements(dims) / (dims[0] * groups)});
    const ValueId centered = sub(n, parts, n.b.reduce(ReduceOp::mean, parts, {2}));
    const ValueId power = n.b.reduce(ReduceOp::mean, mul(n, centered, centered), {2});
    const ValueId inverse =
        unary(n, UnaryOp::reciprocal,
              unary(n, UnaryOp::sqrt, add(n, power, n.b.scalar(n.real("epsilon", 1e-5F)))));
    const auto channels = [&](std::size_t input) {
        Dims shape(rank - 1, 1);
        shape[0] = dims[1];
        return n.b.cast(n.b.reshape(n.in(input), std::move(shape)), DataType::f32);
    };
    ValueId y = n.b.reshape(mul(n, centered, inverse), dims);
    y = add(n, mul(n, y, channels(1)), channels(2));
    const std::int64_t activation = n.integer("activation", 0);
    if (activation != 0 && activation != 1) {
        refuse("its activation " + std::to_string(activation) + " is not 0 or 1");
    }
    y = n.b.cast(activation == 1 ? silu(n, y) : y, n.b.type(given));
    return last ? n.b.permute(y, to_back) : y;
}

Values group_norm(const Node& n) {
    return {group_norm_of(n, n.in(0))};
}

// The residual of [n, c] is one for all pixels.
Values skip_group_norm(const Node& n) {
    const ValueId x = n.in(0);
    const bool last = n.integer("channels_last", 1) != 0;
    ValueId skip = n.in(3);
    if (n.b.rank(skip) == 2) {
        const Dims dims = n.b.dims(skip);
        Dims shape(n.b.rank(x), 1);
        shape[0] = dims[0];
        shape[last ? shape.size() - 1 : 1] = dims[1];
        skip = n.b.reshape(skip, std::move(shape));
    }
    ValueId sum = add(n, x, skip);
    if (n.has(4)) {
        ValueId bias = n.in(4);
        if (!last) {
            Dims shape(n.b.rank(x) - 1, 1);
            shape[0] = n.b.length(bias, 0);
            bias = n.b.reshape(bias, std::move(shape));
        }
        sum = add(n, sum, bias);
    }
    return {group_norm_of(n, sum), sum};
}

}  // namespace

void add_contrib_normalizations(OperatorTable& table) {
    table.add({
        {"SimplifiedLayerNormalization", simplified_norm},
        {"com.microsoft.EmbedLayerNormalization", embed_layer_norm},
        {"com.microsoft.GroupNorm", group_norm},
        {"com.microsoft.QEmbedLayerNormalization", quantized_embed_layer_norm},
        {"com.microsoft.SkipGroupNorm", skip_group_norm},
        {"com.microsoft.SkipLayerNormalization", skip_layer_norm},
        {"com.microsoft.SkipSimplifiedLayerNormalization", skip_simplified_norm},
    });
}

}  // namespace accel::compiler
