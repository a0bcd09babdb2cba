// SPDX-License-Identifier: Apache-2.0
//
// SOFTMAX and REDUCE give the bits of the reference.
#include "card_fixture.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

class Reduce : public CardTest {
  protected:
    Reduce() : CardTest({.device_memory = 64 << 20, .host_memory = 160 << 20, .contexts = 2}) {}

    static accel_reduce params(unsigned op, std::uint32_t outer, std::uint32_t n,
                               std::uint32_t inner) {
        accel_reduce p{};
        p.type = ACCEL_TYPE_F32;
        p.op = static_cast<std::uint8_t>(op);
        p.outer = outer;
        p.n = n;
        p.inner = inner;
        return p;
    }

    void check_reduce(const accel_reduce& p, Layout layout, std::uint64_t offset) {
        check_reduce(p, random.ordinary(std::size_t{p.outer} * p.n * p.inner), layout, offset);
    }
    void check_reduce(const accel_reduce& p, const std::vector<float>& src, Layout layout,
                      std::uint64_t offset) {
        const std::size_t results = std::size_t{p.outer} * p.inner;
        const std::uint64_t from = space.allocate(src.size() * sizeof(float), layout, offset);
        const std::uint64_t to = space.allocate(results * sizeof(float), layout, offset);
        space.store(from, src);
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_REDUCE, {.dst = to, .src0 = from}, p)),
                  ACCEL_OK);
        if (p.op == ACCEL_REDUCE_ARGMAX || p.op == ACCEL_REDUCE_ARGMIN) {
            EXPECT_EQ(space.load<std::uint32_t>(to, results), reference::reduce_index(p, src));
        } else {
            EXPECT_TRUE(same_bits(space.load<float>(to, results), reference::reduce(p, src)));
        }
    }

    void check_softmax(const accel_reduce& p, Layout layout, std::uint64_t offset, bool in_place) {
        const auto src = random.ordinary(std::size_t{p.outer} * p.n * p.inner);
        check_softmax(p, src, layout, offset, in_place);
    }
    void check_softmax(const accel_reduce& p, const std::vector<float>& src, Layout layout,
                       std::uint64_t offset, bool in_place) {
        const std::uint64_t from = space.allocate(src.size() * sizeof(float), layout, offset);
        const std::uint64_t to =
            in_place ? from : space.allocate(src.size() * sizeof(float), layout, offset);
        space.store(from, src);
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_SOFTMAX, {.dst = to, .src0 = from}, p)),
                  ACCEL_OK);
        EXPECT_TRUE(same_bits(space.load<float>(to, src.size()), reference::softmax(p, src)));
    }

    Random random{3};
};

TEST_F(Reduce, EqualsTheReferenceForRandomShapes) {
    static constexpr std::uint32_t sizes[] = {1, 2, 3, 7, 10, 33, 100};
    for (int i = 0; i < 120; ++i) {
        const auto p = params(static_cast<unsigned>(i % (ACCEL_REDUCE_MEAN + 1)),
                              random.one_of(sizes), random.one_of(sizes), random.one_of(sizes));
        check_reduce(p, random.one_of({Layout::host, Layout::device, Layout::scattered}),
                     random.below(1024) * 4);
        ASSERT_FALSE(HasFailure())
            << "op " << +p.op << " " << p.outer << "x" << p.n << "x" << p.inner;
    }
}

TEST_F(Reduce, EqualsTheReferenceForAxesLongerThanABuffer) {
    for (unsigned op = ACCEL_REDUCE_SUM; op <= ACCEL_REDUCE_MEAN; ++op) {
        check_reduce(params(op, 1, 100001, 1), Layout::host, 4);
        check_reduce(params(op, 2, 9, 9001), Layout::scattered, 4);
    }
}

TEST_F(Reduce, AnEmptyAxisGivesTheIdentityButHasNoIndex) {
    const std::uint64_t buffer = space.allocate(page_size);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    for (const auto& [op, identity] :
         {std::pair{ACCEL_REDUCE_SUM, 0.0F}, std::pair{ACCEL_REDUCE_PRODUCT, 1.0F},
          std::pair{ACCEL_REDUCE_MAX, -infinity}, std::pair{ACCEL_REDUCE_MIN, infinity},
          std::pair{ACCEL_REDUCE_MEAN, std::numeric_limits<float>::quiet_NaN()}}) {
        const auto p = params(static_cast<unsigned>(op), 3, 0, 5);
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_REDUCE, {.dst = buffer}, p)), ACCEL_OK);
        EXPECT_TRUE(same_bits(space.load<float>(buffer, 15), std::vector<float>(15, identity)));
        EXPECT_TRUE(same_bits(reference::reduce(p, {}), std::vector<float>(15, identity)));
    }
    for (const unsigned op : {ACCEL_REDUCE_ARGMAX, ACCEL_REDUCE_ARGMIN}) {
        expect_error(ACCEL_BAD_SIZE,
                     tensor_command(ACCEL_OP_REDUCE, {.dst = buffer}, params(op, 1, 0, 1)));
    }
}

TEST_F(Reduce, AnEmptyResultWritesNothing) {
    EXPECT_EQ(queue.run(tensor_command(ACCEL_OP_REDUCE, {}, params(0, 0, 5, 5))), ACCEL_OK);
    EXPECT_EQ(queue.run(tensor_command(ACCEL_OP_REDUCE, {}, params(0, 5, 5, 0))), ACCEL_OK);
    EXPECT_EQ(queue.run(tensor_command(ACCEL_OP_SOFTMAX, {}, params(0, 5, 0, 5))), ACCEL_OK);
    // An empty result takes no time, however long the axis is.
    constexpr std::uint32_t most = UINT32_MAX;
    for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_SOFTMAX, {}, params(0, most, most, 0))),
                  ACCEL_OK);
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_REDUCE, {}, params(0, most, most, 0))),
                  ACCEL_OK);
    }
}

// Powers of two of blocks, and one row more and less.
TEST_F(Reduce, EqualsTheReferenceAtEachLevelOfTheTree) {
    for (const std::uint32_t n : {63, 64, 65, 127, 128, 129, 192, 193, 320, 511, 512, 513, 4097}) {
        for (const std::uint32_t inner : {1, 3, 16, 50}) {
            check_reduce(params(ACCEL_REDUCE_SUM, 2, n, inner), Layout::host, 0);
            check_reduce(params(ACCEL_REDUCE_PRODUCT, 2, n, inner), Layout::host, 0);
            ASSERT_FALSE(HasFailure()) << n << "x" << inner;
        }
    }
}

// Rows that are computed together, as many as fill vectors and buffers, and a few more.
TEST_F(Reduce, EqualsTheReferenceForManyShortRows) {
    for (const std::uint32_t n : {1, 2, 3, 7, 15, 16, 17, 33, 63, 64}) {
        for (const std::uint32_t outer : {1, 2, 15, 16, 17, 129, 1500}) {
            const std::size_t count = std::size_t{outer} * n;
            for (unsigned op = ACCEL_REDUCE_SUM; op <= ACCEL_REDUCE_MEAN; ++op) {
                const auto values = op % 2 == 0 ? random.ordinary(count) : random.values(count);
                check_reduce(params(op, outer, n, 1), values, Layout::scattered, 20);
            }
            check_softmax(params(0, outer, n, 1), Layout::scattered, 20, outer % 2 == 0);
            ASSERT_FALSE(HasFailure()) << outer << "x" << n;
        }
    }
}

TEST_F(Reduce, ShortRowsFailAtTheFirstAddress) {
    constexpr std::uint32_t n = 8;
    constexpr std::uint32_t outer = 4 * page_size / sizeof(float);
    const std::uint64_t from = space.allocate(outer * n * sizeof(float), Layout::scattered);
    const std::uint64_t to = space.allocate(outer * sizeof(float), Layout::scattered);
    const auto command =
        tensor_command(ACCEL_OP_REDUCE, {.dst = to, .src0 = from}, params(0, outer, n, 1));
    // The sources of the rows from 2560 on: a page has 128 of them.
    space.unmap(from + 20 * page_size, page_size);
    expect_fault(ACCEL_FAULT_UNMAPPED, from + 20 * page_size, command);
    // The results of the rows from 1024 on, which come first.
    space.unmap(to + page_size, page_size);
    ASSERT_EQ(space.invalidate(0, 0), ACCEL_OK);
    expect_fault(ACCEL_FAULT_UNMAPPED, to + page_size, command);
}

TEST_F(Reduce, ARowReadsWhatAnEarlierRowWrote) {
    constexpr std::uint32_t outer = 1000;
    std::vector<float> values = random.ordinary(2 * outer);
    const std::uint64_t from = space.allocate(values.size() * sizeof(float), Layout::scattered);
    space.store(from, values);
    ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_REDUCE, {.dst = from + 16, .src0 = from},
                                       params(ACCEL_REDUCE_SUM, outer, 2, 1))),
              ACCEL_OK);
    for (std::uint32_t i = 0; i < outer; ++i) {
        values[i + 4] = values[2 * i] + values[2 * i + 1];
    }
    EXPECT_TRUE(same_bits(space.load<float>(from, values.size()), values));
}

TEST_F(Reduce, EqualsTheReferenceForSpecialValues) {
    for (int i = 0; i < 200; ++i) {
        const auto p =
            params(static_cast<unsigned>(i % (ACCEL_REDUCE_MEAN + 1)), 3, 90, 1 + i % 20);
        auto src = random.values(std::size_t{p.outer} * p.n * p.inner);
        if (i % 2 == 0) {  // zeros of both signs, and a few NaNs
            for (float& x : src) {
                x = random.below(300) == 0 ? std::numeric_limits<float>::quiet_NaN()
                                           : std::copysign(0.0F, x);
            }
        }
        check_reduce(p, src, Layout::host, 0);
        ASSERT_FALSE(HasFailure()) << "op " << +p.op << ", inner " << p.inner;
    }
}

// The error of a long sum must not grow with its length.
TEST_F(Reduce, ALongSumIsAsAccurateAsAShortOne) {
    const auto p = params(ACCEL_REDUCE_MEAN, 1, 300000, 1);
    const std::vector<float> src(p.n, 0.1F);
    check_reduce(p, src, Layout::host, 0);
    EXPECT_NEAR(reference::reduce(p, src)[0], 0.1, 1e-8);
    const auto softmax = params(0, 1, 128000, 1);
    std::vector<float> logits(softmax.n, -17.0F);
    logits[0] = 0;
    check_softmax(softmax, logits, Layout::host, 0, false);
    const double total = 1 + std::exp(-17.0) * (softmax.n - 1);
    EXPECT_NEAR(reference::softmax(softmax, logits)[0], 1 / total, 1e-7);
}

TEST_F(Reduce, SoftmaxEqualsTheReferenceForRandomShapes) {
    static constexpr std::uint32_t sizes[] = {1, 2, 5, 10, 65, 127};
    for (int i = 0; i < 80; ++i) {
        const auto p = params(0, random.one_of(sizes), random.one_of(sizes), random.one_of(sizes));
        check_softmax(p, random.one_of({Layout::host, Layout::device, Layout::scattered}),
                      random.below(1024) * 4, random.coin());
        ASSERT_FALSE(HasFailure()) << p.outer << "x" << p.n << "x" << p.inner;
    }
}

TEST_F(Reduce, SoftmaxEqualsTheReferenceForAxesLongerThanABuffer) {
    check_softmax(params(0, 1, 70000, 1), Layout::host, 0, true);
    check_softmax(params(0, 2, 11, 5000), Layout::scattered, 8, true);
    check_softmax(params(0, 2, 11, 5000), Layout::device, 8, false);
}

TEST_F(Reduce, SoftmaxEqualsTheReferenceForSpecialValues) {
    for (int i = 0; i < 20; ++i) {
        check_softmax(params(0, 20, 9, 1), random.values(180), Layout::host, 0, false);
    }
}

TEST_F(Reduce, RefusesBlocksThatTheDataSheetForbids) {
    const std::uint64_t buffer = space.allocate(4 * page_size);
    const Operands good{.dst = buffer, .src0 = buffer + page_size};
    for (const accel_opcode opcode : {ACCEL_OP_REDUCE, ACCEL_OP_SOFTMAX}) {
        const auto refuse = [&](accel_status status, auto change, Operands operands) {
            accel_reduce p = params(0, 4, 4, 4);
            change(p);
            expect_error(status, tensor_command(opcode, operands, p));
        };
        refuse(
            ACCEL_BAD_FIELD, [](auto& p) { p.type = 0; }, good);
        refuse(
            ACCEL_BAD_FIELD, [](auto& p) { p.op = ACCEL_REDUCE_MEAN + 1; }, good);
        refuse(
            ACCEL_BAD_FIELD, [](auto& p) { p.reserved0 = 1; }, good);
        refuse(
            ACCEL_BAD_FIELD, [](auto& p) { p.reserved1[3] = 1; }, good);
        const auto keep = [](auto&) {};
        Operands bad = good;
        bad.src1 = buffer;
        refuse(ACCEL_BAD_FIELD, keep, bad);
        bad = good;
        bad.src2 = buffer;
        refuse(ACCEL_BAD_FIELD, keep, bad);
        for (std::uint64_t Operands::*which : {&Operands::dst, &Operands::src0}) {
            bad = good;
            bad.*which += 2;
            refuse(ACCEL_BAD_ALIGNMENT, keep, bad);
            bad.*which = (std::uint64_t{1} << 48) - 32;
            refuse(ACCEL_BAD_SIZE, keep, bad);
        }
        refuse(
            ACCEL_BAD_SIZE, [](auto& p) { p.outer = p.n = p.inner = 0xffffffff; }, good);
    }
}

}  // namespace
}  // namespace accel::test
