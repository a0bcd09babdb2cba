// SPDX-License-Identifier: Apache-2.0
//
// CONV2D gives the bits of the reference.
#include "image_fixture.hpp"

namespace accel::test {
namespace {

class Conv2d : public ImageTest {
  protected:
    struct Case : ImageCase {
        std::uint32_t out_channels = 4;
        std::uint32_t groups = 1;
        bool bias = false;
        bool relu = false;
    };

    static accel_conv2d params(const Case& c) {
        accel_conv2d p{};
        p.type = ACCEL_TYPE_F32;
        p.activation = c.relu ? ACCEL_UNARY_RELU : ACCEL_UNARY_NONE;
        p.flags = c.bias ? ACCEL_CONV2D_BIAS : 0;
        p.batch = c.batch;
        p.groups = c.groups;
        p.src = image(c.height, c.width, c.channels, c.gap);
        p.dst = image(c.out_height, c.out_width, c.out_channels, c.gap);
        p.window = c.window;
        return p;
    }

    void check(const Case& c) {
        SCOPED_TRACE(testing::Message()
                     << c.batch << "x" << c.height << "x" << c.width << "x" << c.channels << " to "
                     << c.out_height << "x" << c.out_width << "x" << c.out_channels << " groups "
                     << c.groups << " window " << c.window.height << "x" << c.window.width);
        const accel_conv2d p = params(c);
        // Special values would make all results of a long sum NaNs.
        const std::uint64_t k =
            std::uint64_t{c.window.height} * c.window.width * (c.channels / c.groups);
        const auto numbers = [&](std::uint64_t count) {
            return k < 20 ? random.values(count) : random.ordinary(count);
        };
        const auto src = numbers(elements(p.src, c.batch));
        const auto weights = numbers(k * c.out_channels + 1);
        const auto bias = random.values(c.out_channels);
        auto dst = random.values(elements(p.dst, c.batch));
        const std::uint64_t to = upload(dst, c.layout);
        const Operands operands{.dst = to,
                                .src0 = upload(src, c.layout),
                                .src1 = upload(weights, c.layout),
                                .src2 = c.bias ? upload(bias, c.layout) : 0};
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_CONV2D, operands, p)), ACCEL_OK);
        reference::conv2d(p, src, weights, bias, dst);
        EXPECT_TRUE(same_bits(space.load<float>(to, dst.size()), dst));
    }
};

TEST_F(Conv2d, EqualsTheReferenceForAnyWindowAndGroups) {
    for (int i = 0; i < 100; ++i) {
        Case c{any()};
        c.groups = up_to(4);
        c.channels = c.groups * up_to(9);
        c.out_channels = c.groups * up_to(40);
        c.bias = random.coin();
        c.relu = random.coin();
        check(c);
        ASSERT_FALSE(HasFailure());
    }
}

TEST_F(Conv2d, EqualsTheReferenceForDepthwiseGroups) {
    for (int i = 0; i < 60; ++i) {
        Case c{any()};
        c.groups = c.channels = c.out_channels = up_to(40);
        c.bias = random.coin();
        c.relu = random.coin();
        check(c);
        ASSERT_FALSE(HasFailure());
    }
}

TEST_F(Conv2d, EqualsTheReferenceAcrossBlocks) {
    Case deep;  // more than one block of k, of channels and of lines
    deep.height = 3;
    deep.width = 70;
    deep.channels = 700;
    deep.out_channels = 530;
    deep.out_height = 1;
    deep.out_width = 68;
    check(deep);
    Case wide;  // depthwise, in two blocks
    wide.channels = wide.out_channels = wide.groups = 1100;
    check(wide);
}

TEST_F(Conv2d, EqualsTheReferenceForWindowsOfManyTaps) {
    Case c;
    c.height = c.width = 40;
    c.window.height = 11;
    c.window.width = 13;
    c.window.pad_top = c.window.pad_left = 6;
    c.out_height = c.out_width = 30;
    c.groups = c.channels = c.out_channels = 40;
    check(c);
    c.groups = 1;
    c.channels = 3;
    check(c);
}

TEST_F(Conv2d, EmptyImagesAreLeftAlone) {
    for (const int what : {0, 1, 2, 3}) {
        Case c;
        (what == 0   ? c.batch
         : what == 1 ? c.out_height
         : what == 2 ? c.out_width
                     : c.out_channels) = 0;
        check(c);
    }
    Case no_channels;  // an empty sum, plus the bias
    no_channels.channels = 0;
    no_channels.bias = true;
    check(no_channels);
}

TEST_F(Conv2d, ReadsWeightsOnceIfTheyFit) {
    Case c;
    c.layout = Layout::device;
    c.channels = 32;
    c.out_channels = 64;
    const std::uint64_t before = host.read64(ACCEL_REG_MEMORY_READ);
    check(c);
    const std::uint64_t weights = std::uint64_t{9} * 32 * 64 * 4;
    const std::uint64_t taps = std::uint64_t{9} * 6 * 6 * 32 * 4;
    EXPECT_EQ(host.read64(ACCEL_REG_MEMORY_READ) - before, weights + taps);
}

TEST_F(Conv2d, ReservedUnknownAndImpossibleFieldsAreRefused) {
    const std::uint64_t memory = space.allocate(1 << 20);
    const Operands operands{.dst = memory, .src0 = memory, .src1 = memory, .src2 = 0};
    const auto refuse = [&](accel_status expected, auto&& change) {
        accel_conv2d p = params({});
        Operands o = operands;
        change(p, o);
        expect_error(expected, tensor_command(ACCEL_OP_CONV2D, o, p));
    };
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.type = 9; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.activation = 99; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.flags = 2; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.groups = 0; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.groups = 3; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.reserved0 = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.reserved1[7] = 1; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.window.width = 0; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.window.stride_y = 0; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.window.dilation_x = 0; });
    refuse(ACCEL_BAD_FIELD, [](auto& p, auto&) { p.src.pixel = 3; });
    refuse(ACCEL_BAD_FIELD, [](auto&, auto& o) { o.src2 = 16; });
    refuse(ACCEL_BAD_ALIGNMENT, [](auto&, auto& o) { o.src1 += 2; });
    refuse(ACCEL_BAD_ALIGNMENT, [](auto&, auto& o) { o.dst += 1; });
    refuse(ACCEL_BAD_SIZE, [](auto& p, auto&) { p.batch = p.src.image = UINT32_MAX; });
    refuse(ACCEL_BAD_SIZE, [](auto& p, auto&) {
        p.window.height = p.window.width = UINT16_MAX;
        p.src.channels = p.src.pixel = p.dst.channels = p.dst.pixel = UINT32_MAX;
    });
}

TEST_F(Conv2d, AFaultNamesItsAddress) {
    const std::uint64_t memory = space.allocate(1 << 20);
    const std::uint64_t nowhere = std::uint64_t{1} << 40;
    const accel_conv2d p = params({});
    expect_fault(ACCEL_FAULT_UNMAPPED, nowhere,
                 tensor_command(ACCEL_OP_CONV2D,
                                {.dst = memory, .src0 = nowhere, .src1 = memory, .src2 = 0}, p));
    expect_fault(ACCEL_FAULT_UNMAPPED, nowhere,
                 tensor_command(ACCEL_OP_CONV2D,
                                {.dst = memory, .src0 = memory, .src1 = nowhere, .src2 = 0}, p));
    expect_fault(ACCEL_FAULT_UNMAPPED, nowhere,
                 tensor_command(ACCEL_OP_CONV2D,
                                {.dst = nowhere, .src0 = memory, .src1 = memory, .src2 = 0}, p));
}

}  // namespace
}  // namespace accel::test
