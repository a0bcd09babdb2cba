// SPDX-License-Identifier: Apache-2.0
//
// Conv2d and Pool: their results on the card, and the checks before submission.
#include "command_fixture.hpp"

namespace accel::test {
namespace {

using ::testing::ElementsAre;

class ImageCommand : public CommandTest {};

TEST_F(ImageCommand, Conv2dSumsOverItsWindow) {
    // 3 x 3 pixels of one channel, and a window of 2 x 2 with padding at the top and the left.
    const auto source = floats({1, 2, 3, 4, 5, 6, 7, 8, 9});
    const auto weights = floats({1, 10, 100, 1000});
    auto result = card.allocate<float>({3, 3});
    Conv2d conv{.dst = result,
                .src = source,
                .weights = weights,
                .src_layout = {.height = 3, .width = 3},
                .dst_layout = {.height = 3, .width = 3},
                .window = {.height = 2, .width = 2, .pad_top = 1, .pad_left = 1}};
    run(conv);
    EXPECT_THAT(result.span(), ElementsAre(1000, 2100, 3200, 4010, 5421, 6532, 7040, 8754, 9865));
    conv.bias = floats({-5000});
    conv.activation = UnaryOp::clip;
    conv.activation_alpha = 0;
    conv.activation_beta = 3000;
    run(conv);
    EXPECT_THAT(result.span(), ElementsAre(0, 0, 0, 0, 421, 1532, 2040, 3000, 3000));
}

TEST_F(ImageCommand, Conv2dSeparatesGroups) {
    // Two pixels of two channels, and one weight for each channel.
    const auto source = floats({1, 2, 3, 4});
    const auto weights = floats({10, 100});
    auto result = card.allocate<float>({2, 2});
    run(Conv2d{.dst = result,
               .src = source,
               .weights = weights,
               .groups = 2,
               .src_layout = {.height = 1, .width = 2, .channels = 2},
               .dst_layout = {.height = 1, .width = 2, .channels = 2}});
    EXPECT_THAT(result.span(), ElementsAre(10, 200, 30, 400));
}

TEST_F(ImageCommand, Conv2dIsChecked) {
    auto four = card.allocate<float>({4});
    const Conv2d good{.dst = four,
                      .src = four,
                      .weights = four,
                      .src_layout = {.height = 2, .width = 2},
                      .dst_layout = {.height = 2, .width = 2}};
    const auto with = [&](auto&& change) {
        Conv2d conv = good;
        change(conv);
        return conv;
    };
    EXPECT_REFUSED(with([](Conv2d& c) { c.groups = 0; }), "must divide the channels");
    EXPECT_REFUSED(with([](Conv2d& c) { c.groups = 2; }), "must divide the channels");
    EXPECT_REFUSED(with([](Conv2d& c) { c.window.stride_x = 0; }), "at least 1");
    EXPECT_REFUSED(with([](Conv2d& c) { c.src_layout.height = 3; }),
                   "Conv2d::src touches 24 bytes");
    EXPECT_REFUSED(with([](Conv2d& c) { c.dst_layout.row_stride = 3; }),
                   "Conv2d::dst touches 20 bytes");
    EXPECT_REFUSED(with([](Conv2d& c) { c.window.height = 5; }),
                   "Conv2d::weights touches 20 bytes");
    EXPECT_REFUSED(with([](Conv2d& c) {
                       c.src_layout.channels = 2;
                       c.src_layout.pixel_stride = 1;
                   }),
                   "only 1 apart");
    EXPECT_REFUSED(with([](Conv2d& c) { c.activation_alpha = 1; }), "alpha has no meaning");
}

TEST_F(ImageCommand, PoolComputesTheMaximumOrTheAverage) {
    const auto source = floats({1, 2, 3, 4});
    auto result = card.allocate<float>({1});
    Pool pool{.dst = result,
              .src = source,
              .src_layout = {.height = 2, .width = 2},
              .window = {.height = 3, .width = 3, .pad_top = 1, .pad_left = 1}};
    run(pool);
    EXPECT_EQ(result[0], 4);
    pool.op = PoolOp::average;
    run(pool);
    EXPECT_EQ(result[0], 2.5F);
    pool.count_include_pad = true;
    run(pool);
    EXPECT_EQ(result[0], 10.0F / 9.0F);
    pool.op = PoolOp::max;
    EXPECT_REFUSED(pool, "count_include_pad has no meaning");
    pool.count_include_pad = false;
    pool.dst_layout.channels = 2;
    EXPECT_REFUSED(pool, "make them equal");
}

}  // namespace
}  // namespace accel::test
