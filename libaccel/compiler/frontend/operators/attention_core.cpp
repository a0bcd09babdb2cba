// SPDX-License-Identifier: Apache-2.0
#include "frontend/operators/attention_core.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace accel::compiler {

void AttentionHeads::check(const Node& n) const {
    const Dims& query = n.b.dims(q);
    const Dims& key = n.b.dims(k);
    const Dims& value = n.b.dims(v);
    const bool four = query.size() == 4 && key.size() == 4 && value.size() == 4;
    if (!four || query[0] != key[0] || query[0] != value[0] || query[3] != key[3] ||
        key[1] != value[1] || key[2] != value[2] || key[1] == 0 || query[1] % key[1] != 0) {
        refuse("its queries " + to_string(query) + ", keys " + to_string(key) + " and values " +
               to_string(value) + " do not fit together");
    }
}

ValueId with_heads(const Node& n, ValueId x, std::int64_t heads) {
    const Dims& dims = n.b.dims(x);
    if (dims.size() != 3 || heads < 1 || dims[2] % heads != 0) {
        refuse("its input " + to_string(dims) + " cannot be split into " + std::to_string(heads) +
               " heads");
    }
    return n.b.reshape(x, {dims[0], dims[1], heads, dims[2] / heads});
}

ValueId split_heads(const Node& n, ValueId x, std::int64_t heads) {
    return n.b.permute(with_heads(n, x, heads), {0, 2, 1, 3});
}

ValueId merge_heads(const Node& n, ValueId x) {
    const Dims dims = n.b.dims(x);
    return n.b.reshape(n.b.permute(x, {0, 2, 1, 3}), {dims[0], dims[2], dims[1] * dims[3]});
}

ValueId product_of_heads(const Node& n, ValueId a, ValueId b) {
    const Dims dims = n.b.dims(a);
    const std::int64_t groups = n.b.dims(b)[1];
    // The rows of all heads of a group are the rows of one product.
    const ValueId rows =
        n.b.reshape(a, {dims[0], groups, groups == 0 ? 0 : dims[1] / groups * dims[2], dims[3]});
    const DataType type = n.b.type(b);
    const ValueId product = n.b.matmul(
        {.epilogue = {}, .format = {.a_type = n.b.type(a), .b_type = type, .result_type = type}},
        {rows, b});
    return n.b.reshape(product, {dims[0], dims[1], dims[2], n.b.dims(b)[3]});
}

bool has_command(const Node& n, const AttentionHeads& heads) {
    const auto is_real = [&](ValueId id) {
        const DataType type = n.b.type(id);
        return type == DataType::f32 || type == DataType::f16 || type == DataType::bf16;
    };
    const Dims& v = n.b.dims(heads.v);
    return is_real(heads.q) && is_real(heads.k) && is_real(heads.v) && v[2] != 0 &&
           elements(n.b.dims(heads.q)) != 0 && fits_attention(n.b.dims(heads.q)[3], v[3]);
}

ValueId fused_attention(const Node& n, const AttentionHeads& heads, op::Attention form,
                        const AttentionWindow& window, const AttentionLimits& limits) {
    const auto bound = [](std::int64_t side) {
        return side < 0 ? std::nullopt
                        : std::optional(static_cast<std::uint32_t>(std::min<std::int64_t>(
                              side, std::numeric_limits<std::uint32_t>::max())));
    };
    form.left = bound(window.left);
    form.right = bound(window.right);
    Values in{heads.q, heads.k, heads.v};
    if (limits.mask) {
        Dims shape = n.b.dims(*limits.mask);
        shape.insert(shape.begin(), 4 - std::min<std::size_t>(shape.size(), 4), 1);
        ValueId mask = n.b.reshape(*limits.mask, shape);
        shape.back() = n.b.dims(heads.k)[2];
        mask = n.b.broadcast(mask, shape);
        form.has_mask = true;
        in.push_back(mask);
    }
    const auto add_indices = [&](const std::optional<ValueId>& indices, bool& has) {
        if (indices) {
            has = true;
            in.push_back(n.b.reshape(*indices, {n.b.dims(heads.q)[0]}));
        }
    };
    add_indices(limits.lengths, form.has_lengths);
    add_indices(limits.positions, form.has_positions);
    return n.b.attention(form, std::move(in), n.b.type(heads.v));
}

ValueId counting(const Node& n, std::int64_t count, Dims dims) {
    if (count > max_listed) {
        refuse("it has a sequence of the length " + std::to_string(count) + ", and the limit is " +
               std::to_string(max_listed));
    }
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return n.b.reshape(integer_list(n, numbers), std::move(dims));
}

std::optional<ValueId> both(const Node& n, std::optional<ValueId> a, std::optional<ValueId> b) {
    if (!a || !b) {
        return a ? a : b;
    }
    return n.b.compare(ElementwiseOp::bit_and, *a, *b);
}

std::optional<ValueId> window_mask(const Node& n, const AttentionWindow& window, ValueId offset,
                                   std::int64_t queries, std::int64_t keys) {
    if (window.left < 0 && window.right < 0) {
        return std::nullopt;
    }
    const ValueId position =
        add(n, n.b.cast(offset, DataType::i64), counting(n, queries, {queries, 1}));
    const ValueId key = counting(n, keys, {1, keys});
    const auto shifted = [&](std::int64_t by) {
        return add(n, position, n.b.scalar(DataType::i64, static_cast<double>(by)));
    };
    std::optional<ValueId> allowed;
    if (window.right >= 0) {
        allowed = n.b.compare(ElementwiseOp::less_equal, key, shifted(window.right));
    }
    if (window.left >= 0) {
        allowed =
            both(n, allowed, n.b.compare(ElementwiseOp::less_equal, shifted(-window.left), key));
    }
    return allowed;
}

std::optional<ValueId> masked_bias(const Node& n, DataType type, std::optional<ValueId> bias,
                                   std::optional<ValueId> allowed, double blocked) {
    if (!allowed) {
        return bias;
    }
    return n.b.select(*allowed, bias ? *bias : n.b.scalar(type, 0), n.b.scalar(type, blocked));
}

std::optional<ValueId> blocked_rows(const Node& n, std::optional<ValueId> bias) {
    if (!bias || n.b.dims(*bias).empty() || n.b.dims(*bias).back() == 0) {
        return std::nullopt;
    }
    const ValueId highest = reduce(n, ReduceOp::max, *bias, {n.b.rank(*bias) - 1});
    const ValueId rows =
        n.b.compare(ElementwiseOp::equal, highest,
                    n.b.scalar(n.b.type(highest), -std::numeric_limits<double>::infinity()));
    if (const Constant known = n.b.value(rows).constant) {
        if (std::ranges::none_of(known->integers(), [](auto blocked) { return blocked != 0; })) {
            return std::nullopt;
        }
    }
    return rows;
}

ValueId soft_capped(const Node& n, ValueId x, float cap) {
    if (cap == 0.0F) {
        return x;
    }
    const ValueId limit = n.b.scalar(n.b.type(x), cap);
    return mul(n, unary(n, UnaryOp::tanh, div(n, x, limit)), limit);
}

ValueId softmax_in_f32(const Node& n, ValueId x) {
    return n.b.softmax(n.b.cast(x, DataType::f32), n.b.rank(x) - 1);
}

ValueId scaled(const Node& n, ValueId x, double factor) {
    return factor == 1 ? x : mul(n, x, n.b.scalar(n.b.type(x), factor));
}

ValueId scattered_rows(const Node& n, ValueId cache, ValueId update, ValueId row,
                       std::size_t axis) {
    const Dims dims = n.b.dims(cache);
    const std::int64_t room = dims[axis];
    const std::int64_t count = n.b.dims(update)[axis];
    const std::int64_t samples = n.b.dims(row)[0];
    const auto integer = [&](std::int64_t value) {
        return n.b.scalar(DataType::i64, static_cast<double>(value));
    };
    const ValueId written = both(n, n.b.compare(ElementwiseOp::less_equal, integer(0), row),
                                 n.b.compare(ElementwiseOp::less, row, integer(count)))
                                .value();
    // Rows of all samples, with the axis behind the samples.
    std::vector<std::size_t> order{0, axis};
    for (std::size_t i = 1; i < dims.size(); ++i) {
        if (i != axis) {
            order.push_back(i);
        }
    }
    std::vector<std::size_t> back(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
        back[order[i]] = i;
    }
    const ValueId rows = n.b.permute(update, order);
    Dims flat = n.b.dims(rows);
    flat.erase(flat.begin());
    flat[0] = dims[0] * count;
    const ValueId clamped = n.b.binary(ElementwiseOp::max, integer(0),
                                       n.b.binary(ElementwiseOp::min, row, integer(count - 1)));
    const ValueId source =
        add(n, clamped, mul(n, counting(n, dims[0], {dims[0], 1}), integer(count)));
    const ValueId moved =
        n.b.permute(n.b.gather(n.b.reshape(rows, std::move(flat)), source, 0, false), back);
    Dims mask(dims.size(), 1);
    mask[0] = samples;
    mask[axis] = room;
    return n.b.select(n.b.reshape(written, std::move(mask)), moved, cache);
}

ValueId rotated(const Node& n, ValueId x, ValueId cosines, ValueId sines, bool interleaved) {
    const Dims dims = n.b.dims(x);
    const std::int64_t half = n.b.length(cosines, 2);
    if (n.b.dims(cosines) != n.b.dims(sines) || dims.size() != 4 || 2 * half > dims[3] ||
        n.b.dims(cosines)[1] != dims[1]) {
        refuse("its cosines " + to_string(n.b.dims(cosines)) + " and sines " +
               to_string(n.b.dims(sines)) + " do not fit heads of the shape " + to_string(dims));
    }
    const auto wide = [&](ValueId angles) {
        const Dims& own = n.b.dims(angles);
        return n.b.cast(n.b.reshape(angles, {own[0], own[1], 1, half}), n.b.type(x));
    };
    const ValueId cosine = wide(cosines);
    const ValueId sine = wide(sines);
    const auto part = [&](std::int64_t index) {
        const std::int64_t step = interleaved ? 2 : 1;
        return n.b.strided_slice(x, {0, 0, 0, interleaved ? index : index * half}, {1, 1, 1, step},
                                 {dims[0], dims[1], dims[2], half});
    };
    const ValueId real = part(0);
    const ValueId imaginary = part(1);
    const ValueId first = sub(n, mul(n, real, cosine), mul(n, imaginary, sine));
    const ValueId second = add(n, mul(n, real, sine), mul(n, imaginary, cosine));
    const Dims shape{dims[0], dims[1], dims[2], 2 * half};
    ValueId y = 0;
    if (interleaved) {
        Dims pairs{dims[0], dims[1], dims[2], half, 1};
        y = n.b.concat({n.b.reshape(first, pairs), n.b.reshape(second, pairs)}, 4);
        y = n.b.reshape(y, shape);
    } else {
        y = n.b.concat({first, second}, 3);
    }
    return 2 * half == dims[3] ? y
                               : n.b.concat({y, n.b.slice(x, 3, 2 * half, dims[3] - 2 * half)}, 3);
}

}  // namespace accel::compiler
