// SPDX-License-Identifier: Apache-2.0
//
// POOL gives the bits of the reference.
#include "image_fixture.hpp"

namespace accel::test {
namespace {

class Pool : public ImageTest {
  protected:
    static accel_pool params(const ImageCase& c, std::uint8_t op, std::uint16_t flags = 0) {
        accel_pool p{};
        p.type = ACCEL_TYPE_F32;
        p.op = op;
        p.flags = flags;
        p.batch = c.batch;
        p.src = image(c.height, c.width, c.channels, c.gap);
        p.dst = image(c.out_height, c.out_width, c.channels, c.gap);
        p.window = c.window;
        return p;
    }

    void check(const ImageCase& c, std::uint8_t op, std::uint16_t flags = 0) {
        SCOPED_TRACE(testing::Message()
                     << +op << " " << c.batch << "x" << c.height << "x" << c.width << "x"
                     << c.channels << " to " << c.out_height << "x" << c.out_width << " window "
                     << c.window.height << "x" << c.window.width);
        const accel_pool p = params(c, op, flags);
        // Special values would make the average of many values a NaN.
        const bool few = p.window.height * p.window.width < 30;
        const std::uint64_t count = elements(p.src, c.batch);
        const auto src = few ? random.values(count) : random.ordinary(count);
        auto dst = random.values(elements(p.dst, c.batch));
        const std::uint64_t to = upload(dst, c.layout);
        const Operands operands{.dst = to, .src0 = upload(src, c.layout), .src1 = 0, .src2 = 0};
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_POOL, operands, p)), ACCEL_OK);
        reference::pool(p, src, dst);
        EXPECT_TRUE(same_bits(space.load<float>(to, dst.size()), dst));
    }
};

TEST_F(Pool, EqualsTheReferenceForAnyWindow) {
    for (int i = 0; i < 50; ++i) {
        ImageCase c = any();
        c.channels = up_to(40);
        check(c, ACCEL_POOL_MAX);
        check(c, ACCEL_POOL_AVERAGE);
        check(c, ACCEL_POOL_AVERAGE, ACCEL_POOL_COUNT_INCLUDE_PAD);
        ASSERT_FALSE(HasFailure());
    }
}

TEST_F(Pool, AWindowOfTheWholeImageGivesOneValueForEachChannel) {
    ImageCase c;
    c.height = c.window.height = 7;
    c.width = c.window.width = 9;
    c.out_height = c.out_width = 1;
    c.channels = 1100;
    check(c, ACCEL_POOL_AVERAGE);
    check(c, ACCEL_POOL_MAX);
    c.height = c.window.height = 67;  // more than one level of the tree of sums
    c.window.pad_top = 3;
    c.channels = 9;
    check(c, ACCEL_POOL_AVERAGE);
}

TEST_F(Pool, AWindowOutsideTheImageGivesMinusInfinityOrZero) {
    ImageCase c;
    c.window.pad_top = 20;
    check(c, ACCEL_POOL_MAX);
    check(c, ACCEL_POOL_AVERAGE);
}

TEST_F(Pool, ReservedUnknownAndImpossibleFieldsAreRefused) {
    const std::uint64_t memory = space.allocate(1 << 20);
    const auto refuse = [&](accel_status expected, auto&& change) {
        accel_pool p = params({}, ACCEL_POOL_MAX);
        Operands o{.dst = memory, .src0 = memory, .src1 = 0, .src2 = 0};
        change(p, o);
        expect_error(expected, tensor_command(ACCEL_OP_POOL, o, p));
    };
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.type = 9; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.op = 2; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.flags = ACCEL_POOL_COUNT_INCLUDE_PAD; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.dst.channels = 3; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.reserved0[1] = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.reserved1[3] = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.window.height = 0; });
    refuse(ACCEL_BAD_FIELD, [](auto&, auto& o) { o.src1 = 16; });
    refuse(ACCEL_BAD_ALIGNMENT, [](auto&, auto& o) { o.src0 += 2; });
    refuse(ACCEL_BAD_SIZE, [](auto& p, auto&) { p.batch = p.dst.image = UINT32_MAX; });
}

}  // namespace
}  // namespace accel::test
