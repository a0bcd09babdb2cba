// SPDX-License-Identifier: Apache-2.0
//
// ELEMENTWISE gives the bits of the reference.
#include "card_fixture.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

class Elementwise : public CardTest {
  protected:
    Elementwise()
        : CardTest({.device_memory = 96 << 20, .host_memory = 160 << 20, .contexts = 2}) {}

    static std::size_t span(const accel_elementwise& p, const __le32* strides) {
        std::size_t last = 0;
        for (unsigned i = 0; i < p.rank; ++i) {
            if (p.dims[i] == 0) {
                return 1;
            }
            last += std::size_t{p.dims[i] - 1} * strides[i];
        }
        return last + 1;
    }

    // The strides of a dense tensor of these dimensions.
    static void dense(const accel_elementwise& p, __le32* strides) {
        std::uint32_t step = 1;
        for (unsigned i = p.rank; i-- > 0;) {
            strides[i] = step;
            step *= std::max<std::uint32_t>(p.dims[i], 1);
        }
    }

    void check(const accel_elementwise& p, Layout layout, std::uint64_t offset,
               bool in_place = false) {
        const auto src0 = random.values(span(p, p.src0_strides));
        const auto src1 = random.values(span(p, p.src1_strides));
        auto dst = in_place ? src0 : random.values(span(p, p.dst_strides));
        const auto upload = [&](const std::vector<float>& values) {
            const std::uint64_t address =
                space.allocate(values.size() * sizeof(float), layout, offset);
            space.store(address, values);
            return address;
        };
        Operands operands{.src0 = upload(src0), .src1 = upload(src1)};
        operands.dst = in_place ? operands.src0 : upload(dst);
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_ELEMENTWISE, operands, p)), ACCEL_OK);
        reference::elementwise(p, src0, src1, dst);
        EXPECT_TRUE(same_bits(space.load<float>(operands.dst, dst.size()), dst));
    }

    static accel_elementwise vector(std::uint32_t n, unsigned op = ACCEL_EW_ADD) {
        accel_elementwise p{};
        p.type = ACCEL_TYPE_F32;
        p.op = static_cast<std::uint8_t>(op);
        p.rank = 1;
        p.dims[0] = n;
        p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
        return p;
    }

    Random random{2};
};

TEST_F(Elementwise, EveryOperationEqualsTheReference) {
    for (const unsigned op : {ACCEL_EW_ADD, ACCEL_EW_SUB, ACCEL_EW_MUL, ACCEL_EW_DIV, ACCEL_EW_MIN,
                              ACCEL_EW_MAX, ACCEL_EW_PRELU, ACCEL_EW_FMOD, ACCEL_EW_MOD,
                              ACCEL_EW_EQUAL, ACCEL_EW_LESS, ACCEL_EW_LESS_EQUAL}) {
        for (std::uint8_t activation = 0; activation < 2; ++activation) {
            accel_elementwise p = vector(5000, op);
            p.activation = activation;
            check(p, Layout::scattered, 12);
        }
    }
}

TEST_F(Elementwise, EqualsTheReferenceForRandomShapesAndStrides) {
    for (int i = 0; i < 250; ++i) {
        accel_elementwise p{};
        p.type = ACCEL_TYPE_F32;
        p.op = static_cast<std::uint8_t>(random.below(6));
        p.rank = static_cast<std::uint8_t>(1 + random.below(ACCEL_RANK_MAX));
        for (unsigned d = 0; d < p.rank; ++d) {
            p.dims[d] = static_cast<std::uint32_t>(
                random.below(40) == 0 ? 0 : 1 + random.below(p.rank > 3 ? 4 : 12));
        }
        for (__le32* strides : {p.dst_strides, p.src0_strides, p.src1_strides}) {
            dense(p, strides);
            const bool source = strides != p.dst_strides;
            const auto factor =
                static_cast<std::uint32_t>(random.coin() ? 1 : 1 + random.below(300));
            for (unsigned d = 0; d < p.rank; ++d) {
                strides[d] *= factor;  // gaps, some of them longer than a page
                if (source && random.below(4) == 0) {
                    strides[d] = 0;
                }
            }
        }
        check(p, random.one_of(layouts) == Layout::host ? Layout::scattered : Layout::host,
              random.below(1024) * 4);
        ASSERT_FALSE(HasFailure()) << i;
    }
}

TEST_F(Elementwise, TheResultMayOverwriteASource) {
    check(vector(40000, ACCEL_EW_MUL), Layout::scattered, 8, true);
    accel_elementwise p = vector(1000, ACCEL_EW_SUB);
    p.dst_strides[0] = p.src0_strides[0] = 3;
    check(p, Layout::device, 4, true);
}

TEST_F(Elementwise, LongVectorsEqualTheReferenceInEveryLayout) {
    for (const Layout layout : layouts) {
        check(vector(70001, ACCEL_EW_DIV), layout, 20);
    }
}

TEST_F(Elementwise, NoPageWithoutAnElementIsRead) {
    // The elements are two pages apart, and only their pages are mapped.
    accel_elementwise p = vector(4);
    p.src0_strides[0] = 2 * page_size / sizeof(float);
    const std::uint64_t base = space.reserve(8 * page_size);
    for (unsigned i = 0; i < 4; ++i) {
        space.map(base + std::uint64_t{2} * i * page_size,
                  {false, host.memory().allocate(page_size)}, page_size);
        space.store_one(base + std::uint64_t{2} * i * page_size + 16, static_cast<float>(i));
    }
    const std::uint64_t other = space.allocate(page_size);
    const Operands operands{.dst = other + 64, .src0 = base + 16, .src1 = other};
    EXPECT_EQ(queue.run(tensor_command(ACCEL_OP_ELEMENTWISE, operands, p)), ACCEL_OK);
    EXPECT_TRUE(same_bits(space.load<float>(other + 64, 4), {0, 1, 2, 3}));
}

TEST_F(Elementwise, AFaultNamesTheAddressOfTheElement) {
    accel_elementwise p = vector(3000);
    p.src1_strides[0] = 3;
    const std::uint64_t buffer = space.allocate(3 * page_size);
    const std::uint64_t other = space.allocate(4 * page_size);
    Operands operands{.dst = other, .src0 = other, .src1 = buffer};
    // 1365 elements, 12 bytes apart, fit three pages; the next starts at 12288 - 12288 % 12.
    expect_fault(ACCEL_FAULT_UNMAPPED, buffer + std::uint64_t{1024} * 12,
                 tensor_command(ACCEL_OP_ELEMENTWISE, operands, p));
    p.src1_strides[0] = 1;
    p.dst_strides[0] = 5;
    operands = {.dst = buffer + 4, .src0 = other, .src1 = other};
    // (3 * 4096 - 4) / 20 = 614.2, so element 615 is the first beyond the pages.
    expect_fault(ACCEL_FAULT_UNMAPPED, buffer + 4 + std::uint64_t{615} * 20,
                 tensor_command(ACCEL_OP_ELEMENTWISE, operands, p));
}

TEST_F(Elementwise, RefusesBlocksThatTheDataSheetForbids) {
    const std::uint64_t buffer = space.allocate(4 * page_size);
    const Operands good{.dst = buffer, .src0 = buffer + page_size, .src1 = buffer + 2 * page_size};
    const auto refuse = [&](accel_status status, auto change, Operands operands) {
        accel_elementwise p = vector(16);
        change(p);
        expect_error(status, tensor_command(ACCEL_OP_ELEMENTWISE, operands, p));
    };
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.type = 2; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.activation = ACCEL_UNARY_ATANH + 1; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.op = ACCEL_EW_SELECT + 1; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.rank = 0; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.rank = 7; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.dst_type = 99; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.reserved[1] = 1; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.dims[1] = 1; }, good);
    refuse(
        ACCEL_BAD_FIELD, [](auto& p) { p.src1_strides[5] = 1; }, good);
    const auto keep = [](auto&) {};
    Operands bad = good;
    bad.src2 = buffer;
    refuse(ACCEL_BAD_FIELD, keep, bad);
    for (std::uint64_t Operands::*which : {&Operands::dst, &Operands::src0, &Operands::src1}) {
        bad = good;
        bad.*which += 1;
        refuse(ACCEL_BAD_ALIGNMENT, keep, bad);
        refuse(
            ACCEL_BAD_ALIGNMENT, [](auto& p) { p.dims[0] = 0; }, bad);
        bad.*which = (std::uint64_t{1} << 48) - 60;
        refuse(ACCEL_BAD_SIZE, keep, bad);
    }
    // A huge number of elements, all at one address.
    const auto endless = [](auto& p) {
        p.rank = 6;
        for (unsigned i = 0; i < 6; ++i) {
            p.dims[i] = 0xffffffff;
            p.dst_strides[i] = p.src0_strides[i] = p.src1_strides[i] = 0;
        }
    };
    refuse(ACCEL_BAD_SIZE, endless, good);
    refuse(
        ACCEL_BAD_SIZE,
        [&](auto& p) {
            endless(p);
            for (unsigned i = 0; i < 6; ++i) {
                p.dst_strides[i] = 0xffffffff;
            }
        },
        good);
}

}  // namespace
}  // namespace accel::test
