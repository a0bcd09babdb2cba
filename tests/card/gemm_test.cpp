// SPDX-License-Identifier: Apache-2.0
//
// GEMM gives the bits of the reference.
#include "card_fixture.hpp"
#include "commands/gemm_kernel.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

class Gemm : public CardTest {
  protected:
    explicit Gemm(std::uint32_t threads = 4)
        : CardTest({.device_memory = 192 << 20,
                    .host_memory = 256 << 20,
                    .contexts = 2,
                    .threads = threads}) {}

    struct Shape {
        std::uint32_t m, n, k;
        std::uint16_t flags = 0;
        std::uint8_t activation = ACCEL_UNARY_NONE;
        std::uint32_t gap = 0;  // elements between rows, in all matrices
        Layout layout = Layout::host;
        std::uint64_t offset = 0;  // of each matrix in its page
    };

    static accel_gemm params(const Shape& s) {
        accel_gemm p{};
        p.type = ACCEL_TYPE_F32;
        p.activation = s.activation;
        p.flags = s.flags;
        p.m = s.m;
        p.n = s.n;
        p.k = s.k;
        p.lda = ((s.flags & ACCEL_GEMM_TRANSPOSE_A) != 0 ? s.m : s.k) + s.gap;
        p.ldb = ((s.flags & ACCEL_GEMM_TRANSPOSE_B) != 0 ? s.k : s.n) + s.gap;
        p.ldd = s.n + s.gap;
        return p;
    }

    void check(const Shape& s, bool ordinary = false) {
        SCOPED_TRACE(testing::Message()
                     << s.m << "x" << s.k << "x" << s.n << " flags " << s.flags << " act "
                     << +s.activation << " gap " << s.gap << " layout "
                     << static_cast<int>(s.layout) << " offset " << s.offset);
        const accel_gemm p = params(s);
        const auto length = [](std::uint64_t rows, std::uint64_t stride) { return rows * stride; };
        const auto values = [&](std::size_t n) {
            return ordinary ? random.ordinary(n) : random.values(n);
        };
        const auto a = values(length((s.flags & ACCEL_GEMM_TRANSPOSE_A) != 0 ? s.k : s.m, p.lda));
        const auto b = values(length((s.flags & ACCEL_GEMM_TRANSPOSE_B) != 0 ? s.n : s.k, p.ldb));
        const auto bias = values(s.n);
        auto d = values(length(s.m, p.ldd));
        const auto upload = [&](const std::vector<float>& matrix) {
            const std::uint64_t address =
                space.allocate(matrix.size() * sizeof(float), s.layout, s.offset);
            space.store(address, matrix);
            return address;
        };
        const bool has_bias = (s.flags & ACCEL_GEMM_BIAS) != 0;
        const std::uint64_t dst = upload(d);
        const Operands operands{
            .dst = dst, .src0 = upload(a), .src1 = upload(b), .src2 = has_bias ? upload(bias) : 0};
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_GEMM, operands, p)), ACCEL_OK);
        reference::gemm(p, a, b, bias, d);
        EXPECT_TRUE(same_bits(space.load<float>(dst, d.size()), d));
    }

    Random random{1};
};

class GemmOnOneThread : public Gemm {
  protected:
    GemmOnOneThread() : Gemm(1) {}
};

TEST_F(Gemm, EqualsTheReferenceForSmallShapes) {
    static constexpr std::uint32_t sizes[] = {0,  1,  2,  3,  5,  7,  8,  9,
                                              16, 31, 32, 33, 40, 64, 65, 70};
    for (int i = 0; i < 150; ++i) {
        check({.m = random.one_of(sizes),
               .n = random.one_of(sizes),
               .k = random.one_of(sizes),
               .flags = static_cast<std::uint16_t>(random.below(8)),
               .activation = static_cast<std::uint8_t>(random.below(2)),
               .gap = static_cast<std::uint32_t>(random.coin() ? 0 : random.below(5)),
               .layout = random.coin() ? Layout::scattered : Layout::device,
               .offset = random.below(1024) * 4});
        ASSERT_FALSE(HasFailure());
    }
}

TEST_F(Gemm, EqualsTheReferenceInEveryLayout) {
    for (const Layout layout : layouts) {
        check(
            {.m = 33, .n = 65, .k = 129, .flags = ACCEL_GEMM_BIAS, .layout = layout, .offset = 36});
    }
}

TEST_F(Gemm, EqualsTheReferenceAcrossBlocks) {
    static constexpr std::uint16_t flag_sets[] = {0, ACCEL_GEMM_TRANSPOSE_A | ACCEL_GEMM_BIAS,
                                                  ACCEL_GEMM_TRANSPOSE_B, 7};
    for (const std::uint16_t flags : flag_sets) {
        check({.m = 70, .n = 530, .k = 1030, .flags = flags, .layout = Layout::device}, true);
    }
}

// Work that several threads share, although the matrix is too small to be cut for each of them.
TEST_F(Gemm, EqualsTheReferenceForFewResultsOfLongSums) {
    for (const std::uint32_t n : {1, 8, 33, 64, 65, 100}) {
        for (const std::uint32_t m : {1, 4, 9}) {
            check({.m = m, .n = n, .k = 70'000}, true);
            ASSERT_FALSE(HasFailure());
        }
    }
}

TEST_F(Gemm, EqualsTheReferenceIfBExceedsThePanel) {
    check({.m = 66, .n = 300, .k = 4100, .layout = Layout::device}, true);
    check({.m = 65, .n = 290, .k = 4100, .flags = ACCEL_GEMM_TRANSPOSE_B, .layout = Layout::device},
          true);
}

// Several threads each read the operands that they need.
TEST_F(GemmOnOneThread, ReadsEachOperandOnceIfBFitsThePanel) {
    const std::uint64_t before = host.read64(ACCEL_REG_MEMORY_READ);
    check({.m = 256, .n = 128, .k = 784, .layout = Layout::device}, true);
    EXPECT_EQ(host.read64(ACCEL_REG_MEMORY_READ) - before, (256 * 784 + 784 * 128) * 4U);
}

TEST_F(Gemm, EveryKernelGivesTheSameBits) {
    card::NamedGemmKernel kernels[3];
    const std::size_t count = card::gemm_kernels(kernels);
    constexpr std::size_t row_stride = 40;
    const auto a = random.ordinary(card::max_depth * card::tile_rows);
    const auto b = random.ordinary(card::max_depth * card::tile_columns);
    const auto start = random.values(card::tile_rows * row_stride);
    for (const std::size_t depth : {1, 31, 32, 33, 64, 77, 96, 481, 1023, 1024}) {
        auto expected = start;
        for (std::size_t m = 0; m < card::tile_rows; ++m) {
            for (std::size_t n = 0; n < card::tile_columns; ++n) {
                reference::SumOfProducts sum;
                for (std::size_t k = 0; k < depth; ++k) {
                    sum.add(a[k * card::tile_rows + m], b[k * card::tile_columns + n]);
                }
                expected[m * row_stride + n] = sum.value();
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            auto sums = start;
            kernels[i].kernel(a.data(), b.data(), sums.data(), row_stride, depth);
            EXPECT_TRUE(same_bits(sums, expected)) << kernels[i].name << ", depth " << depth;
        }
    }
}

// The error of a long sum must not grow with its length.
TEST_F(Gemm, ALongSumIsAsAccurateAsAShortOne) {
    for (const std::size_t k : {512, 65536}) {
        constexpr std::size_t n = 64;
        const auto a = random.ordinary(k);
        const auto b = random.ordinary(k * n);
        const auto got = reference::dense_gemm(a, b, {}, 1, n, k);
        double signal = 0;
        double noise = 0;
        for (std::size_t j = 0; j < n; ++j) {
            double exact = 0;
            for (std::size_t i = 0; i < k; ++i) {
                exact += static_cast<double>(a[i]) * static_cast<double>(b[i * n + j]);
            }
            signal += exact * exact;
            noise += (got[j] - exact) * (got[j] - exact);
        }
        EXPECT_GT(10 * std::log10(signal / noise), 134) << k;
    }
}

TEST_F(Gemm, AnEmptySumGivesTheActivationOfTheBias) {
    check({.m = 3, .n = 5, .k = 0, .flags = ACCEL_GEMM_BIAS, .activation = ACCEL_UNARY_RELU});
    check({.m = 3, .n = 5, .k = 0});
}

TEST_F(Gemm, AnEmptyResultWritesNothing) {
    for (const auto& [m, n] : {std::pair{0U, 5U}, std::pair{5U, 0U}}) {
        accel_gemm p = params({.m = m, .n = n, .k = 4});
        EXPECT_EQ(queue.run(tensor_command(ACCEL_OP_GEMM, {}, p)), ACCEL_OK);
    }
}

TEST_F(Gemm, RefusesBlocksThatTheDataSheetForbids) {
    const std::uint64_t buffer = space.allocate(4 * page_size);
    const Operands operands{
        .dst = buffer, .src0 = buffer + page_size, .src1 = buffer + 2 * page_size};
    const accel_gemm good = params({.m = 4, .n = 4, .k = 4});
    const auto refuse = [&](accel_status status, auto change, Operands o) {
        accel_gemm p = good;
        change(p);
        expect_error(status, tensor_command(ACCEL_OP_GEMM, o, p));
    };
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.type = 0; }, operands);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.activation = ACCEL_UNARY_ATANH + 1; }, operands);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.flags = 8; }, operands);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.reserved = 1; }, operands);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.lda = 3; }, operands);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.ldb = 3; }, operands);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.ldd = 3; }, operands);
    const auto keep = [](auto&) {};
    Operands bad = operands;
    bad.src2 = buffer;
    refuse(ACCEL_BAD_FIELD, keep, bad);
    for (std::uint64_t Operands::*which : {&Operands::dst, &Operands::src0, &Operands::src1}) {
        bad = operands;
        bad.*which += 2;
        refuse(ACCEL_BAD_ALIGNMENT, keep, bad);
        bad.*which = (std::uint64_t{1} << 48) - 32;
        refuse(ACCEL_BAD_SIZE, keep, bad);
    }
    refuse(
        ACCEL_BAD_SIZE, [](auto& p) { p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 0xffffffff; },
        operands);
}

}  // namespace
}  // namespace accel::test
