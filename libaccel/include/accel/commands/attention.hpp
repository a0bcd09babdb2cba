// SPDX-License-Identifier: Apache-2.0
//
// Attention: the softmax of products of queries and keys, times values.
#pragma once

#include <cstdint>
#include <optional>

#include "accel/commands/data_type.hpp"
#include "accel/commands/operand.hpp"

namespace accel {

/// The distances in elements from a batch, a head and a row to the next.
struct HeadStrides {
    std::uint32_t batch = 0;
    std::uint32_t head = 0;
    std::uint32_t row = 0;

    /// [batch][heads][rows][columns], dense.
    [[nodiscard]] static constexpr HeadStrides heads_first(std::uint32_t heads, std::uint32_t rows,
                                                           std::uint32_t columns) noexcept {
        return {heads * rows * columns, rows * columns, columns};
    }
    /// [batch][rows][heads][columns], dense.
    [[nodiscard]] static constexpr HeadStrides rows_first(std::uint32_t heads, std::uint32_t rows,
                                                          std::uint32_t columns) noexcept {
        return {heads * rows * columns, columns, heads * columns};
    }
};

/// d = softmax(cap(scale * q k^T) + mask) v, for each head of each batch. The scores need no
/// memory. Needs FEATURE_ATTENTION of the card.
///
/// The strides of the mask may be zero, which repeats a row; those of the other operands are
/// [batch][head][row][element], dense, if all of them are zero. Query i has the position offset +
/// i, plus the element of its batch in `positions`.
struct Attention {
    Operand d = {};          ///< batch x heads x queries rows of value_size elements
    Operand q = {};          ///< batch x heads x queries rows of `size` elements
    Operand k = {};          ///< batch x key_heads x keys rows of `size` elements
    Operand v = {};          ///< batch x key_heads x keys rows of value_size elements
    Operand mask = {};       ///< rows of `keys` elements; not set: none. See mask_type
    Operand lengths = {};    ///< the number of keys of each batch; not set: `keys`
    Operand positions = {};  ///< of the first query of each batch; not set: zero
    std::uint32_t batch = 1;
    std::uint32_t heads = 1;
    std::uint32_t key_heads = 0;  ///< divides `heads`; zero: as many
    std::uint32_t queries = 0;
    std::uint32_t keys = 0;
    std::uint32_t size = 0;        ///< 1 to 512
    std::uint32_t value_size = 0;  ///< up to 512; zero: as `size`
    float scale = 1;
    float softcap = 0;                   ///< cap(x) = softcap * tanh(x / softcap); zero: none
    std::optional<std::uint32_t> left;   ///< keys further before a query are blocked
    std::optional<std::uint32_t> right;  ///< keys further behind it are; zero: causal
    std::int32_t offset = 0;             ///< of the position of the first query
    bool nan_without_keys = false;       ///< a query without keys gives NaN instead of zero
    HeadStrides d_strides = {};
    HeadStrides q_strides = {};
    HeadStrides k_strides = {};
    HeadStrides v_strides = {};
    HeadStrides mask_strides = {};
    DataType d_type = DataType::f32;  ///< f32, f16 or bf16
    DataType q_type = DataType::f32;
    DataType k_type = DataType::f32;
    DataType v_type = DataType::f32;
    DataType mask_type = DataType::f32;   ///< f32, f16 or bf16: added; boolean: zero blocks a key
    DataType index_type = DataType::i64;  ///< of lengths and positions: i32 or i64
};

}  // namespace accel
