// SPDX-License-Identifier: Apache-2.0
//
// SCATTER against the reference: its order, types, indices and bounds.
#include <algorithm>
#include <cmath>
#include <limits>

#include "reference.hpp"
#include "tensor_fixture.hpp"

namespace accel::test {
namespace {

constexpr std::uint8_t operations[] = {ACCEL_SCATTER_SET, ACCEL_SCATTER_ADD, ACCEL_SCATTER_MUL,
                                       ACCEL_SCATTER_MIN, ACCEL_SCATTER_MAX};

class Scatter : public TensorTest {
  protected:
    accel_scatter draw(std::uint8_t type) {
        accel_scatter p{};
        p.type = type;
        p.op = random.one_of(operations);
        p.index_type = random.coin() ? ACCEL_TYPE_I32 : ACCEL_TYPE_I64;
        p.flags = random.coin() ? ACCEL_SCATTER_ELEMENTS : 0;
        p.outer = up_to(4);
        p.n = up_to(20);
        p.count = up_to(60);
        p.inner = random.below(8) == 0 ? 1000 + up_to(100) : up_to(40);
        return p;
    }
    // From both ends of the axis; several for an element.
    std::vector<std::int64_t> draw_indices(const accel_scatter& p) {
        const std::size_t each = p.flags != 0 ? std::size_t{p.outer} * p.inner : 1;
        std::vector<std::int64_t> indices(each * p.count);
        for (std::int64_t& index : indices) {
            index = static_cast<std::int64_t>(random.below(std::uint64_t{2} * p.n)) - p.n;
        }
        return indices;
    }
    std::uint64_t upload_indices(const accel_scatter& p, const std::vector<std::int64_t>& indices) {
        return p.index_type == ACCEL_TYPE_I64
                   ? upload(indices)
                   : upload(std::vector<std::int32_t>(indices.begin(), indices.end()));
    }
    template <typename T>
    std::vector<T> run_on_card(const accel_scatter& p, const std::vector<T>& dst,
                               const std::vector<std::int64_t>& indices, const std::vector<T>& src,
                               accel_status expected = ACCEL_OK) {
        const std::uint64_t to = upload(dst);
        run(ACCEL_OP_SCATTER, {.dst = to, .src0 = upload(src), .src1 = upload_indices(p, indices)},
            p, expected);
        return space.load<T>(to, dst.size());
    }
    // One axis of f32, and one index for each update.
    static accel_scatter line(std::uint8_t op, std::size_t n, std::size_t count) {
        accel_scatter p{};
        p.type = ACCEL_TYPE_F32;
        p.op = op;
        p.index_type = ACCEL_TYPE_I64;
        p.outer = p.inner = 1;
        p.n = static_cast<std::uint32_t>(n);
        p.count = static_cast<std::uint32_t>(count);
        return p;
    }
    template <typename T>
    void expect_reference(std::uint8_t type) {
        for (int round = 0; round < 60; ++round) {
            const accel_scatter p = draw(type);
            const auto src = integers<T>(std::size_t{p.outer} * p.count * p.inner);
            const auto indices = draw_indices(p);
            auto expected = integers<T>(std::size_t{p.outer} * p.n * p.inner);
            const auto got = run_on_card(p, expected, indices, src);
            reference::scatter(p, expected, indices, src);
            ASSERT_EQ(got, expected) << "round " << round << ", operation " << int{p.op};
        }
    }
};

TEST_F(Scatter, UpdatesFloatsInAscendingOrder) {
    for (int round = 0; round < 120; ++round) {
        const accel_scatter p = draw(ACCEL_TYPE_F32);
        const auto src = random.values(std::size_t{p.outer} * p.count * p.inner);
        const auto indices = draw_indices(p);
        auto expected = random.values(std::size_t{p.outer} * p.n * p.inner);
        const auto got = run_on_card(p, expected, indices, src);
        reference::scatter(p, expected, indices, src);
        ASSERT_TRUE(same_bits(got, expected)) << "round " << round << ", operation " << int{p.op};
    }
}

TEST_F(Scatter, UpdatesIntegersOfEachSize) {
    expect_reference<std::int8_t>(ACCEL_TYPE_I8);
    expect_reference<std::uint16_t>(ACCEL_TYPE_U16);
    expect_reference<std::int32_t>(ACCEL_TYPE_I32);
    expect_reference<std::int64_t>(ACCEL_TYPE_I64);
}

TEST_F(Scatter, AppliesMoreUpdatesThanItsBuffersHoldInOrder) {
    constexpr std::size_t count = 70'000;
    const accel_scatter p = line(ACCEL_SCATTER_ADD, 3, count);
    const auto src = random.ordinary(count);
    const auto indices = draw_indices(p);
    std::vector<float> expected(3);
    const auto got = run_on_card(p, expected, indices, src);
    reference::scatter(p, expected, indices, src);
    EXPECT_TRUE(same_bits(got, expected));
}

TEST_F(Scatter, TheLastOfSeveralUpdatesIsSet) {
    const std::vector<float> updates{1, 2, 3, 4};
    EXPECT_EQ(run_on_card<float>(line(ACCEL_SCATTER_SET, 3, 4), {9, 9, 9}, {1, 0, -2, 1}, updates),
              (std::vector<float>{2, 4, 9}));
}

TEST_F(Scatter, MinimumAndMaximumPropagateNansAndOrderZeros) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> dst{nan, 1, 0.0F, -0.0F, 5};
    const std::vector<float> src{1, nan, -0.0F, 0.0F, 7};
    const std::vector<std::int64_t> indices{0, 1, 2, 3, 4};
    EXPECT_TRUE(same_bits(run_on_card(line(ACCEL_SCATTER_MAX, 5, 5), dst, indices, src),
                          {nan, nan, 0.0F, 0.0F, 7}));
    EXPECT_TRUE(same_bits(run_on_card(line(ACCEL_SCATTER_MIN, 5, 5), dst, indices, src),
                          {nan, nan, -0.0F, -0.0F, 5}));
}

TEST_F(Scatter, HalvesAreRoundedAfterEachUpdate) {
    constexpr std::uint16_t half_2048 = 0x6800;
    constexpr std::uint16_t half_1 = 0x3c00;
    accel_scatter p = line(ACCEL_SCATTER_ADD, 1, 3);
    p.type = ACCEL_TYPE_F16;
    // 2048 + 1 is halfway to 2050, and rounds to even each time.
    EXPECT_EQ(run_on_card<std::uint16_t>(p, {half_2048}, {0, 0, 0}, {half_1, half_1, half_1}),
              (std::vector<std::uint16_t>{half_2048}));
}

TEST_F(Scatter, SetMovesBitsOfAnyType) {
    const std::vector<std::uint64_t> bits{0x7ff4'0000'0000'0001, 0x8000'0000'0000'0000};
    for (const std::uint8_t type : {std::uint8_t{ACCEL_TYPE_F64}, std::uint8_t{ACCEL_TYPE_U64},
                                    std::uint8_t{ACCEL_TYPE_I64}}) {
        accel_scatter p = line(ACCEL_SCATTER_SET, 2, 2);
        p.type = type;
        EXPECT_EQ(run_on_card<std::uint64_t>(p, {0, 0}, {0, 1}, bits), bits);
    }
}

TEST_F(Scatter, AnIndexOutOfRangeIsAnErrorAndTouchesNothing) {
    for (const std::uint8_t op : operations) {
        for (const std::int64_t index : {std::int64_t{4}, std::int64_t{-5}, INT64_MAX, INT64_MIN}) {
            accel_scatter p = line(op, 4, 1);
            p.flags = random.coin() ? ACCEL_SCATTER_ELEMENTS : 0;
            const std::vector<float> around(6, 3.0F);
            const std::uint64_t dst = upload(around);
            run(ACCEL_OP_SCATTER,
                {.dst = dst + sizeof(float),
                 .src0 = upload(std::vector<float>{7}),
                 .src1 = upload(std::vector<std::int64_t>{index})},
                p, ACCEL_BAD_INDEX);
            EXPECT_EQ(space.load<float>(dst, around.size()), around);
        }
    }
    accel_scatter p = line(ACCEL_SCATTER_SET, 0, 1);
    run_on_card<float>(p, {}, {0}, {1}, ACCEL_BAD_INDEX);
}

TEST_F(Scatter, NothingHappensWithoutUpdates) {
    for (const int dimension : {0, 1, 2}) {
        accel_scatter p = line(ACCEL_SCATTER_ADD, 2, 1);
        (dimension == 0 ? p.outer : dimension == 1 ? p.count : p.inner) = 0;
        EXPECT_EQ(run_on_card<float>(p, {1, 2}, {99}, {3}), (std::vector<float>{1, 2}));
    }
}

TEST_F(Scatter, FaultsAtTheFirstAddressThatFails) {
    const accel_scatter p = line(ACCEL_SCATTER_ADD, 2 * page_size / sizeof(float), 2);
    const std::uint64_t dst = space.allocate(2 * page_size);
    const std::uint64_t src = upload(std::vector<float>{1, 2});
    const std::uint64_t indices = upload(std::vector<std::int64_t>{0, page_size / sizeof(float)});
    space.unmap(dst + page_size, page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, dst + page_size,
                 tensor_command(ACCEL_OP_SCATTER, {.dst = dst, .src0 = src, .src1 = indices}, p));
}

TEST_F(Scatter, ParametersAreChecked) {
    const std::uint64_t at = space.allocate(page_size);
    const Operands good{.dst = at, .src0 = at + 256, .src1 = at + 512};
    const auto expect = [&](accel_status status, auto&& change) {
        accel_scatter p = line(ACCEL_SCATTER_ADD, 4, 1);
        Operands operands = good;
        change(p, operands);
        run(ACCEL_OP_SCATTER, operands, p, status);
    };
    using Params = accel_scatter;
    expect(ACCEL_OK, [](Params&, Operands&) {});
    expect(ACCEL_BAD_FIELD, [](Params& p, Operands&) { p.type = 0; });
    expect(ACCEL_BAD_FIELD, [](Params& p, Operands&) { p.type = ACCEL_TYPE_F64; });
    expect(ACCEL_BAD_FIELD, [](Params& p, Operands&) { p.type = ACCEL_TYPE_U64; });
    expect(ACCEL_BAD_FIELD, [](Params& p, Operands&) { p.op = ACCEL_SCATTER_MAX + 1; });
    expect(ACCEL_BAD_FIELD, [](Params& p, Operands&) { p.index_type = ACCEL_TYPE_U32; });
    expect(ACCEL_BAD_FIELD, [](Params& p, Operands&) { p.flags = 2; });
    expect(ACCEL_BAD_FIELD, [](Params& p, Operands&) { p.reserved[2] = 1; });
    expect(ACCEL_BAD_FIELD, [&](Params&, Operands& o) { o.src2 = at; });
    expect(ACCEL_BAD_ALIGNMENT, [&](Params&, Operands& o) { o.dst += 2; });
    expect(ACCEL_BAD_ALIGNMENT, [&](Params&, Operands& o) { o.src0 += 1; });
    expect(ACCEL_BAD_ALIGNMENT, [&](Params&, Operands& o) { o.src1 += 4; });
    expect(ACCEL_BAD_SIZE, [](Params& p, Operands&) { p.outer = p.n = p.inner = UINT32_MAX; });
    expect(ACCEL_BAD_SIZE, [](Params& p, Operands&) { p.outer = p.count = p.inner = UINT32_MAX; });
}

}  // namespace
}  // namespace accel::test
