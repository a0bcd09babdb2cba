// SPDX-License-Identifier: Apache-2.0
//
// The fixture of ATTENTION: random operands of any shape and type, on the card and in the
// reference.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "commands/data_type.hpp"
#include "reference.hpp"
#include "tensor_fixture.hpp"

namespace accel::test {

inline accel_attention shape(std::uint32_t batch, std::uint32_t heads, std::uint32_t key_heads,
                             std::uint32_t queries, std::uint32_t keys, std::uint32_t size,
                             std::uint32_t value_size) {
    accel_attention p{};
    p.type = ACCEL_TYPE_F32;
    p.batch = batch;
    p.heads = heads;
    p.key_heads = key_heads;
    p.queries = queries;
    p.keys = keys;
    p.size = size;
    p.value_size = value_size;
    p.scale = std::bit_cast<std::uint32_t>(1.0F / std::sqrt(static_cast<float>(size)));
    return p;
}

// [batch][head][row][column], or [batch][row][head][column] with `rows_first`.
inline void set_strides(__le32 (&strides)[3], std::uint32_t heads, std::uint32_t rows,
                        std::uint32_t columns, bool rows_first) {
    strides[0] = heads * rows * columns;
    strides[1] = rows_first ? columns : rows * columns;
    strides[2] = rows_first ? heads * columns : columns;
}

inline void set_strides(accel_attention& p, bool rows_first) {
    set_strides(p.src0_strides, p.heads, p.queries, p.size, rows_first);
    set_strides(p.src1_strides, p.key_heads, p.keys, p.size, rows_first);
    set_strides(p.src2_strides, p.key_heads, p.keys, p.value_size, rows_first);
    set_strides(p.dst_strides, p.heads, p.queries, p.value_size, rows_first);
}

class AttentionTest : public TensorTest {
  protected:
    struct Operation {
        accel_attention p{};
        reference::AttentionOperands from;
    };

    Operation random_operation(const accel_attention& p) {
        Operation op{.p = p, .from = {}};
        op.from.q = random.ordinary(std::size_t{p.batch} * p.heads * p.queries * p.size);
        op.from.k = random.ordinary(std::size_t{p.batch} * p.key_heads * p.keys * p.size);
        op.from.v = random.ordinary(std::size_t{p.batch} * p.key_heads * p.keys * p.value_size);
        return op;
    }
    // A mask with its own dimensions; a dimension of 1 repeats.
    void add_mask(Operation& op, std::uint8_t type, std::array<std::uint32_t, 3> dims) {
        op.p.mask_type = type;
        op.from.mask = random.ordinary(std::size_t{dims[0]} * dims[1] * dims[2] * op.p.keys);
        for (float& x : op.from.mask) {
            const bool blocks = random.below(3) == 0;
            const float blocked =
                type == ACCEL_TYPE_BOOL ? 0.0F : -std::numeric_limits<float>::infinity();
            x = blocks ? blocked : type == ACCEL_TYPE_BOOL ? 1.0F : x;
        }
        op.p.mask_strides[2] = dims[2] == 1 ? 0 : op.p.keys;
        op.p.mask_strides[1] = dims[1] == 1 ? 0 : dims[2] * op.p.keys;
        op.p.mask_strides[0] = dims[0] == 1 ? 0 : dims[1] * dims[2] * op.p.keys;
    }
    void add_lengths(Operation& op, std::uint8_t index_type, std::vector<std::int64_t> lengths) {
        op.p.flags |= ACCEL_ATTENTION_LENGTHS;
        op.p.index_type = index_type;
        op.from.lengths = std::move(lengths);
    }
    void add_positions(Operation& op, std::uint8_t index_type,
                       std::vector<std::int64_t> positions) {
        op.p.flags |= ACCEL_ATTENTION_POSITIONS;
        op.p.index_type = index_type;
        op.from.positions = std::move(positions);
    }

    // Values of a type in memory; the given ones become those that it holds.
    std::uint64_t upload_as(std::uint8_t type, std::vector<float>& values) {
        std::vector<std::uint8_t> bytes(values.size() * card::type_bytes(type));
        card::store(type, values.data(), values.size(), bytes.data());
        card::load(type, bytes.data(), values.size(), values.data());
        return upload(bytes);
    }
    std::uint64_t upload_indices(const Operation& op, const std::vector<std::int64_t>& values) {
        if (values.empty()) {
            return 0;
        }
        return op.p.index_type == ACCEL_TYPE_I64
                   ? upload(values)
                   : upload(std::vector<std::int32_t>(values.begin(), values.end()));
    }
    static std::uint8_t type_or(std::uint8_t type, const accel_attention& p) {
        return type != 0 ? type : p.type;
    }
    Operands upload_operands(Operation& op) {
        accel_attention& p = op.p;
        const Operands operands{
            .dst = space.allocate(results(p) * sizeof(float) + 64, Layout::scattered, 8),
            .src0 = upload_as(p.type, op.from.q),
            .src1 = upload_as(type_or(p.key_type, p), op.from.k),
            .src2 = upload_as(type_or(p.value_type, p), op.from.v)};
        p.mask = p.mask_type != 0 ? upload_as(p.mask_type, op.from.mask) : 0;
        p.lengths = upload_indices(op, op.from.lengths);
        p.positions = upload_indices(op, op.from.positions);
        return operands;
    }
    static std::size_t results(const accel_attention& p) {
        return std::size_t{p.batch} * p.heads * p.queries * p.value_size;
    }
    std::vector<float> download(const accel_attention& p, std::uint64_t dst) {
        const std::uint8_t type = type_or(p.dst_type, p);
        const auto bytes = space.load<std::uint8_t>(dst, results(p) * card::type_bytes(type));
        std::vector<float> values(results(p));
        card::load(type, bytes.data(), values.size(), values.data());
        return values;
    }
    std::vector<float> on_card(Operation& op) {
        const Operands operands = upload_operands(op);
        run(ACCEL_OP_ATTENTION, operands, op.p);
        return download(op.p, operands.dst);
    }
    static std::vector<float> expected(const Operation& op) {
        std::vector<float> d(results(op.p));
        reference::attention(op.p, op.from, d);
        const std::uint8_t type = type_or(op.p.dst_type, op.p);
        std::vector<std::uint8_t> bytes(d.size() * card::type_bytes(type));
        card::store(type, d.data(), d.size(), bytes.data());
        card::load(type, bytes.data(), d.size(), d.data());
        return d;
    }
    void check(Operation op) {
        const std::vector<float> got = on_card(op);
        ASSERT_TRUE(same_bits(got, expected(op)));
    }
};

}  // namespace accel::test
