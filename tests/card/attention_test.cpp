// SPDX-License-Identifier: Apache-2.0
//
// ATTENTION gives the bits of the reference, and what f64 gives within rounding.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "attention_fixture.hpp"

namespace accel::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

class Attention : public AttentionTest {};

TEST_F(Attention, EqualsTheReferenceForRandomShapes) {
    static constexpr std::uint32_t lengths[] = {1, 2, 7, 8, 9, 33, 64, 127, 128, 129, 150, 300};
    static constexpr std::uint32_t sizes[] = {1, 3, 16, 31, 32, 33, 64, 80};
    for (int i = 0; i < 60; ++i) {
        const std::uint32_t groups = up_to(3);
        accel_attention p =
            shape(up_to(2), groups * up_to(3), groups, random.one_of(lengths),
                  random.one_of(lengths), random.one_of(sizes), random.one_of(sizes));
        set_strides(p, random.coin());
        if (random.coin()) {
            p.flags |= ACCEL_ATTENTION_RIGHT;
            p.right = static_cast<std::uint32_t>(random.below(5));
        }
        if (random.coin()) {
            p.flags |= ACCEL_ATTENTION_LEFT;
            p.left = static_cast<std::uint32_t>(random.below(100));
        }
        p.offset = static_cast<std::uint32_t>(random.below(300)) - 100;
        p.softcap = std::bit_cast<std::uint32_t>(random.below(4) == 0 ? 2.5F : 0.0F);
        p.flags |= random.coin() ? ACCEL_ATTENTION_NAN : 0;
        Operation op = random_operation(p);
        if (random.coin()) {
            add_mask(op, random.one_of({ACCEL_TYPE_F32, ACCEL_TYPE_BOOL}),
                     {random.coin() ? 1 : p.batch, random.coin() ? 1 : p.heads,
                      random.coin() ? 1 : p.queries});
        }
        check(op);
        ASSERT_FALSE(HasFailure())
            << "round " << i << ": " << p.heads << "/" << p.key_heads << " heads, " << p.queries
            << "x" << p.keys << ", " << p.size << " and " << p.value_size;
    }
}

TEST_F(Attention, EqualsTheReferenceForEveryType) {
    static constexpr std::uint8_t types[] = {ACCEL_TYPE_F32, ACCEL_TYPE_F16, ACCEL_TYPE_BF16};
    for (int i = 0; i < 24; ++i) {
        accel_attention p = shape(1, 4, 2, up_to(70), 140, 40, 24);
        p.type = random.one_of(types);
        p.key_type = random.coin() ? std::uint8_t{0} : random.one_of(types);
        p.value_type = random.coin() ? std::uint8_t{0} : random.one_of(types);
        p.dst_type = random.coin() ? std::uint8_t{0} : random.one_of(types);
        set_strides(p, random.coin());
        Operation op = random_operation(p);
        if (i % 2 == 0) {
            add_mask(op, random.one_of(types), {1, 1, p.queries});
        }
        check(op);
        ASSERT_FALSE(HasFailure()) << "round " << i;
    }
}

TEST_F(Attention, EqualsTheReferenceForTheLargestSizes) {
    for (const std::uint32_t queries : {1U, 70U}) {
        accel_attention p =
            shape(1, 2, 1, queries, 1200, ACCEL_ATTENTION_SIZE_MAX, ACCEL_ATTENTION_SIZE_MAX);
        set_strides(p, true);
        check(random_operation(p));
    }
}

TEST_F(Attention, EqualsTheReferenceForMoreKeysThanStayPacked) {
    accel_attention p = shape(1, 1, 1, 130, 40'000, 16, 8);
    set_strides(p, false);
    check(random_operation(p));
}

TEST_F(Attention, EqualsTheReferenceForSpecialValues) {
    for (int i = 0; i < 8; ++i) {
        accel_attention p = shape(1, 2, 2, 20, 200, 8, 8);
        set_strides(p, false);
        Operation op = random_operation(p);
        op.from.q = random.values(op.from.q.size());
        op.from.v = random.values(op.from.v.size());
        check(op);
    }
}

// The definition, in f64.
TEST_F(Attention, IsCloseToTheDefinition) {
    constexpr std::uint32_t keys = 500;
    constexpr std::uint32_t size = 64;
    accel_attention p = shape(1, 1, 1, 40, keys, size, size);
    set_strides(p, false);
    Operation op = random_operation(p);
    const std::vector<float> got = on_card(op);
    for (std::size_t i = 0; i < p.queries; ++i) {
        std::vector<double> e(keys);
        for (std::size_t j = 0; j < keys; ++j) {
            for (std::size_t c = 0; c < size; ++c) {
                e[j] += static_cast<double>(op.from.q[i * size + c]) * op.from.k[j * size + c];
            }
            e[j] /= 8;
        }
        const double peak = *std::ranges::max_element(e);
        for (double& x : e) {
            x = std::exp(x - peak);
        }
        const double total = std::accumulate(e.begin(), e.end(), 0.0);
        for (std::size_t c = 0; c < size; ++c) {
            double sum = 0;
            for (std::size_t j = 0; j < keys; ++j) {
                sum += e[j] / total * op.from.v[j * size + c];
            }
            ASSERT_NEAR(got[i * size + c], sum, 1e-4) << i << ", " << c;
        }
    }
}

// ---- lengths, positions, and queries without keys

TEST_F(Attention, LengthsAndPositionsAreThoseOfTheBatch) {
    for (const std::uint8_t type : {ACCEL_TYPE_I32, ACCEL_TYPE_I64}) {
        for (const std::uint32_t queries : {1U, 5U}) {
            accel_attention p = shape(4, 4, 2, queries, 300, 32, 32);
            set_strides(p, false);
            p.flags = ACCEL_ATTENTION_RIGHT | ACCEL_ATTENTION_LEFT;
            p.left = 140;
            p.offset = -queries;
            Operation op = random_operation(p);
            add_lengths(op, type, {300, 0, 17, 129});
            add_positions(op, type, {300, 1, 17, 129});
            check(op);
        }
    }
}

// Pages behind the length are not mapped, and a NaN there changes nothing.
TEST_F(Attention, KeysBehindTheLengthAreNotRead) {
    constexpr std::uint32_t size = 64;
    constexpr std::uint32_t row_bytes = size * sizeof(float);
    constexpr std::uint32_t mapped = 3 * page_size / row_bytes;
    accel_attention p = shape(1, 1, 1, 10, 4096, size, size);
    set_strides(p, false);
    p.flags = ACCEL_ATTENTION_LENGTHS;
    p.index_type = ACCEL_TYPE_I64;
    p.lengths = upload(std::vector<std::int64_t>{mapped - 1});
    Operands operands{.dst = space.allocate(10 * row_bytes),
                      .src0 = upload(random.ordinary(10 * size)),
                      .src1 = space.allocate(std::uint64_t{4096} * row_bytes),
                      .src2 = space.allocate(std::uint64_t{4096} * row_bytes)};
    for (const std::uint64_t operand : {operands.src1, operands.src2}) {
        auto values = random.ordinary(std::size_t{mapped} * size);
        std::fill_n(values.rbegin(), size, std::numeric_limits<float>::quiet_NaN());
        space.store(operand, values);
        space.unmap(operand + 3 * page_size, 4096 * row_bytes - 3 * page_size);
    }
    run(ACCEL_OP_ATTENTION, operands, p);
    for (const float x : space.load<float>(operands.dst, 10 * size)) {
        ASSERT_TRUE(std::isfinite(x));
    }
    p.lengths = upload(std::vector<std::int64_t>{mapped + 1});
    const accel_event event =
        expect_error(ACCEL_FAULT_UNMAPPED, tensor_command(ACCEL_OP_ATTENTION, operands, p));
    EXPECT_EQ(event.address, operands.src1 + 3 * page_size);
}

TEST_F(Attention, AQueryWithoutKeysIsZeroOrANaN) {
    for (const bool nan : {false, true}) {
        accel_attention p = shape(1, 1, 1, 4, 200, 16, 16);
        set_strides(p, false);
        p.flags = nan ? ACCEL_ATTENTION_NAN : 0;
        Operation op = random_operation(p);
        add_mask(op, ACCEL_TYPE_F32, {1, 1, 4});
        std::fill_n(op.from.mask.begin() + 200, 200, -infinity);
        const std::vector<float> got = on_card(op);
        for (std::size_t i = 0; i < got.size(); ++i) {
            if (i / 16 != 1) {
                ASSERT_TRUE(std::isfinite(got[i]));
            } else if (nan) {
                ASSERT_TRUE(std::isnan(got[i]));
            } else {
                ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), 0U);
            }
        }
    }
}

// Values of tiles in which a query attends no key do not reach its result, not even a NaN.
TEST_F(Attention, ATileWithoutKeysChangesNothing) {
    accel_attention p = shape(1, 1, 1, 64, 4 * ACCEL_ATTENTION_TILE, 16, 16);
    set_strides(p, false);
    p.flags = ACCEL_ATTENTION_LEFT;
    p.offset = 2 * ACCEL_ATTENTION_TILE;
    Operation op = random_operation(p);
    std::fill_n(op.from.v.begin() + ACCEL_ATTENTION_TILE * 16, 16,
                std::numeric_limits<float>::quiet_NaN());
    check(op);
    for (const float x : on_card(op)) {
        ASSERT_TRUE(std::isfinite(x));
    }
}

TEST_F(Attention, IndicesOutOfRangeAreRefused) {
    accel_attention p = shape(2, 1, 1, 3, 5, 4, 4);
    set_strides(p, false);
    const auto refuse = [&](std::uint8_t type, bool lengths, std::vector<std::int64_t> values) {
        Operation op = random_operation(p);
        if (lengths) {
            add_lengths(op, type, std::move(values));
        } else {
            add_positions(op, type, std::move(values));
        }
        run(ACCEL_OP_ATTENTION, upload_operands(op), op.p, ACCEL_BAD_INDEX);
    };
    for (const std::uint8_t type : {ACCEL_TYPE_I32, ACCEL_TYPE_I64}) {
        refuse(type, true, {5, 6});
        refuse(type, true, {-1, 5});
    }
    refuse(ACCEL_TYPE_I64, true, {0, INT64_MAX});
    refuse(ACCEL_TYPE_I64, false, {std::int64_t{1} << 31, 0});
    refuse(ACCEL_TYPE_I64, false, {0, INT64_MIN});
}

TEST_F(Attention, ExtremePositionsBlockAllOrNothing) {
    for (const std::int64_t position : {INT32_MIN, INT32_MAX}) {
        accel_attention p = shape(1, 1, 1, 3, 5, 4, 4);
        set_strides(p, false);
        p.flags = ACCEL_ATTENTION_RIGHT;
        p.right = position < 0 ? 0 : UINT32_MAX;
        p.offset = static_cast<std::uint32_t>(position);
        Operation op = random_operation(p);
        add_positions(op, ACCEL_TYPE_I32, {position});
        check(op);
    }
}

TEST_F(Attention, EmptyDimensionsGiveNothingOrZeros) {
    for (int field = 0; field < 5; ++field) {
        accel_attention p = shape(1, 2, 2, 3, 5, 4, 4);
        __le32* const fields[] = {&p.batch, &p.heads, &p.queries, &p.value_size, &p.keys};
        *fields[field] = 0;
        set_strides(p, false);
        check(random_operation(p));
    }
}

// ---- in lists

TEST_F(Attention, AddressesOfTheBlockMayBeArguments) {
    accel_attention p = shape(2, 2, 1, 3, 150, 8, 8);
    set_strides(p, false);
    Operation op = random_operation(p);
    add_mask(op, ACCEL_TYPE_BOOL, {2, 1, 1});
    add_lengths(op, ACCEL_TYPE_I32, {150, 7});
    add_positions(op, ACCEL_TYPE_I32, {149, 6});
    op.p.flags |= ACCEL_ATTENTION_RIGHT;
    op.p.offset = -2;
    Operands operands = upload_operands(op);
    const std::uint64_t mask = op.p.mask;
    const std::uint64_t lengths = op.p.lengths;
    op.p.mask = ACCEL_ARG(1, 32);
    op.p.lengths = ACCEL_ARG(2, 0);
    const std::uint64_t dst = std::exchange(operands.dst, ACCEL_ARG(0, 0));
    const std::uint64_t list = space.allocate(page_size);
    const accel_command command = tensor_command(ACCEL_OP_ATTENTION, operands, op.p);
    space.store_one(list, command);
    ASSERT_EQ(queue.run(call(list, 1, {dst, mask - 32, lengths})), ACCEL_OK);
    EXPECT_TRUE(same_bits(download(op.p, dst), expected(op)));

    EXPECT_EQ(expect_error(ACCEL_BAD_ARGUMENT, call(list, 1, {dst, mask - 32})).list_index, 0U);
    // Outside of a list they are no addresses.
    operands.dst = dst;
    (void)expect_error(ACCEL_FAULT_UNMAPPED, tensor_command(ACCEL_OP_ATTENTION, operands, op.p));
}

// ---- errors

TEST_F(Attention, MalformedBlocksAreRefused) {
    accel_attention p = shape(1, 2, 2, 3, 5, 4, 4);
    set_strides(p, false);
    Operation op = random_operation(p);
    const Operands operands = upload_operands(op);
    const auto refuse = [&](accel_status status, auto&& change) {
        accel_attention other = op.p;
        change(other);
        run(ACCEL_OP_ATTENTION, operands, other, status);
    };
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.type = ACCEL_TYPE_I8; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.type = 0; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.key_type = ACCEL_TYPE_BOOL; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.value_type = ACCEL_TYPE_F64; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.dst_type = ACCEL_TYPE_I32; });
    refuse(ACCEL_BAD_FIELD, [&](auto& a) {
        a.mask_type = ACCEL_TYPE_I8;
        a.mask = operands.src0;
    });
    refuse(ACCEL_BAD_FIELD, [&](auto& a) { a.mask = operands.src0; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.mask_strides[1] = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.flags = ACCEL_ATTENTION_FLAGS + 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.index_type = ACCEL_TYPE_I32; });
    refuse(ACCEL_BAD_FIELD, [&](auto& a) {
        a.flags = ACCEL_ATTENTION_LENGTHS;
        a.lengths = operands.src0;
        a.index_type = ACCEL_TYPE_U32;
    });
    refuse(ACCEL_BAD_FIELD, [&](auto& a) { a.lengths = operands.src0; });
    refuse(ACCEL_BAD_FIELD, [&](auto& a) { a.positions = operands.src0; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.left = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.right = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& a) { a.reserved = 1; });
    for (const float cap : {-1.0F, std::numeric_limits<float>::quiet_NaN()}) {
        refuse(ACCEL_BAD_FIELD, [&](auto& a) { a.softcap = std::bit_cast<std::uint32_t>(cap); });
    }
    refuse(ACCEL_BAD_SIZE, [](auto& a) { a.size = 0; });
    refuse(ACCEL_BAD_SIZE, [](auto& a) { a.size = ACCEL_ATTENTION_SIZE_MAX + 1; });
    refuse(ACCEL_BAD_SIZE, [](auto& a) { a.value_size = ACCEL_ATTENTION_SIZE_MAX + 1; });
    refuse(ACCEL_BAD_SIZE, [](auto& a) { a.heads = 3; });
    refuse(ACCEL_BAD_SIZE, [](auto& a) { a.key_heads = 0; });
    refuse(ACCEL_BAD_SIZE, [](auto& a) {
        a.keys = a.queries = UINT32_MAX;
        a.src1_strides[2] = UINT32_MAX;
    });
    refuse(ACCEL_BAD_ALIGNMENT, [&](auto& a) {
        a.flags = ACCEL_ATTENTION_LENGTHS;
        a.lengths = operands.src0 + 4;
        a.index_type = ACCEL_TYPE_I64;
    });
    Operands odd = operands;
    odd.src2 += 2;
    run(ACCEL_OP_ATTENTION, odd, op.p, ACCEL_BAD_ALIGNMENT);
}

}  // namespace
}  // namespace accel::test
