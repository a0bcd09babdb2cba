// SPDX-License-Identifier: Apache-2.0
//
// Parts that the attention operators of all domains share: heads, masks, products of heads.
#pragma once

#include <optional>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

/// The queries [batch, heads, length, size], keys [batch, groups, total, size] and values
/// [batch, groups, total, value size] of an attention. Successive query heads share a key head.
struct AttentionHeads {
    ValueId q = 0;
    ValueId k = 0;
    ValueId v = 0;

    /// Throws if the shapes do not fit together.
    void check(const Node& n) const;
};

/// The positions that a query may attend, relative to its own. A negative bound is no bound.
struct AttentionWindow {
    std::int64_t left = -1;
    std::int64_t right = -1;
};

/// Splits [batch, length, heads * size] into [batch, length, heads, size].
[[nodiscard]] ValueId with_heads(const Node& n, ValueId x, std::int64_t heads);
/// Splits [batch, length, heads * size] into [batch, heads, length, size].
[[nodiscard]] ValueId split_heads(const Node& n, ValueId x, std::int64_t heads);
/// The reverse of split_heads().
[[nodiscard]] ValueId merge_heads(const Node& n, ValueId x);

/// The product of `a` [batch, heads, m, k] and `b` [batch, groups, k, n]: [batch, heads, m, n], in
/// the type of b. heads / groups successive heads of a share a head of b.
[[nodiscard]] ValueId product_of_heads(const Node& n, ValueId a, ValueId b);

/// What limits the keys of an attention besides its window. Absent values do nothing.
struct AttentionLimits {
    std::optional<ValueId> mask;       // broadcasts to the scores; booleans, or added
    std::optional<ValueId> lengths;    // [batch]
    std::optional<ValueId> positions;  // [batch], of the first queries
};

/// Whether the command ATTENTION computes attentions of these heads.
[[nodiscard]] bool has_command(const Node& n, const AttentionHeads& heads);

/// The attention as one command: [batch, heads, length, value size], in the type of the values.
/// `form` has the scale, the cap and the offset of the positions.
[[nodiscard]] ValueId fused_attention(const Node& n, const AttentionHeads& heads,
                                      op::Attention form, const AttentionWindow& window,
                                      const AttentionLimits& limits);

/// The integers 0, 1, … count - 1 as i64, in the given shape.
[[nodiscard]] ValueId counting(const Node& n, std::int64_t count, Dims dims);

/// Whether query i may attend key j: [..., queries, keys], as booleans. `offset` is the position
/// of the first query among the keys; it broadcasts over the result. Empty if all is allowed.
[[nodiscard]] std::optional<ValueId> window_mask(const Node& n, const AttentionWindow& window,
                                                 ValueId offset, std::int64_t queries,
                                                 std::int64_t keys);

/// a AND b; an absent one allows all.
[[nodiscard]] std::optional<ValueId> both(const Node& n, std::optional<ValueId> a,
                                          std::optional<ValueId> b);

/// `bias` where `allowed`, else `blocked`. An absent bias is zero.
[[nodiscard]] std::optional<ValueId> masked_bias(const Node& n, DataType type,
                                                 std::optional<ValueId> bias,
                                                 std::optional<ValueId> allowed, double blocked);

/// Which rows of a bias are -inf throughout, so that their queries attend no key: [..., 1]. Empty
/// if it is known that there are none.
[[nodiscard]] std::optional<ValueId> blocked_rows(const Node& n, std::optional<ValueId> bias);

/// cap * tanh(x / cap); x itself for a cap of zero.
[[nodiscard]] ValueId soft_capped(const Node& n, ValueId x, float cap);

/// Softmax over the last axis, as f32. A product reads it without rounding it to another type.
[[nodiscard]] ValueId softmax_in_f32(const Node& n, ValueId x);

/// x * factor. f16 and bf16 round the factor, too.
[[nodiscard]] ValueId scaled(const Node& n, ValueId x, double factor);

/// Replaces rows of a cache [batch, ..., room, ...] by those of an update [batch, ..., count, ...]
/// along an axis. `row` [batch or 1, room] is the row of the update for each row of the cache; a
/// number outside of 0 … count - 1 keeps the row of the cache.
[[nodiscard]] ValueId scattered_rows(const Node& n, ValueId cache, ValueId update, ValueId row,
                                     std::size_t axis = 2);

/// A rotation of pairs of elements by an angle for each position. x is [batch, length, heads,
/// size]; cosines and sines are [batch or 1, length, dim / 2]. The first `dim` elements of each
/// head rotate. `interleaved`: a pair are neighbors; else one element of each half of them.
[[nodiscard]] ValueId rotated(const Node& n, ValueId x, ValueId cosines, ValueId sines,
                              bool interleaved);

}  // namespace accel::compiler
