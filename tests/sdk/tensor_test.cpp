// SPDX-License-Identifier: Apache-2.0
//
// Commands on data types other than f32, and commands that rearrange elements: their results, and
// the checks before submission.
#include <bit>
#include <functional>

#include "command_fixture.hpp"

namespace accel::test {
namespace {

using ::testing::ElementsAre;

class TensorCommand : public CommandTest {
  protected:
    // Expects that `good` with a change is refused, with this text in the message.
    template <typename T>
    static void expect_refused(T good, const std::function<void(T&)>& change, const char* why) {
        EXPECT_NO_THROW(Command{good});
        change(good);
        const Error error = error_of([&] { Command made(good); });
        EXPECT_EQ(error.errc(), std::errc::invalid_argument);
        expect_says(error, why);
    }
};

TEST_F(TensorCommand, TransposePermutesStepsAndReverses) {
    const auto source = filled<std::int16_t>({1, 2, 3, 4, 5, 6});
    auto result = card.allocate<std::int16_t>({6});
    run(Transpose{
        .dst = result, .src = source, .element_size = 2, .shape = {3, 2}, .src_strides = {1, 3}});
    EXPECT_THAT(result.span(), ElementsAre(1, 4, 2, 5, 3, 6));
    run(Transpose{.dst = result,
                  .src = source,
                  .element_size = 2,
                  .shape = {3},
                  .src_strides = {-2},
                  .src_offset = 5});
    EXPECT_THAT(result.span().first(3), ElementsAre(6, 4, 2));
}

TEST_F(TensorCommand, TransposeIsChecked) {
    const auto four = card.allocate<float>({4});
    const Transpose good{.dst = four, .src = four, .shape = {2, 2}, .src_strides = {1, 2}};
    expect_refused<Transpose>(
        good, [](auto& t) { t.element_size = 3; }, "1, 2, 4 or 8 bytes");
    expect_refused<Transpose>(
        good, [](auto& t) { t.shape = {}; }, "no dimensions");
    expect_refused<Transpose>(
        good, [](auto& t) { t.src_offset = 1; }, "src touches 20 bytes");
    expect_refused<Transpose>(
        good, [](auto& t) { t.src_strides[1] = -1; }, "below the start");
    expect_refused<Transpose>(
        good,
        [](auto& t) {
            t.dst_strides = {4, 1};
        },
        "dst touches 24 bytes");
    expect_refused<Transpose>(
        good,
        [](auto& t) {
            t.src = argument(0, (1ULL << 48) - 8);
            t.src_offset = 1;
        },
        "extends past the card's address space");
}

TEST_F(TensorCommand, GatherPicksElementsAndReportsAnIndexOutOfRange) {
    const auto source = filled<float>({10, 11, 20, 21, 30, 31});
    auto indices = filled<std::int64_t>({2, -3});
    auto result = card.allocate<float>({4});
    const Gather gather{
        .dst = result, .src = source, .indices = indices, .n = 3, .count = 2, .inner = 2};
    run(gather);
    EXPECT_THAT(result.span(), ElementsAre(30, 31, 10, 11));
    indices[0] = 3;
    const Error error = error_of([&] { run(gather); });
    EXPECT_EQ(error.status(), CardStatus::bad_index);
    expect_says(error, "check the indices");
    queue.reset();
    expect_refused<Gather>(
        gather, [](auto& g) { g.index_type = DataType::u8; }, "i32 or i64");
    expect_refused<Gather>(
        gather, [](auto& g) { g.count = 3; }, "touches 24 bytes");
}

TEST_F(TensorCommand, ScatterUpdatesElementsAndReportsAnIndexOutOfRange) {
    const auto updates = filled<float>({1, 2, 3, 4, 5, 6});
    auto indices = filled<std::int64_t>({1, -1, 1});
    auto result = filled<float>({10, 20, 30, 40});
    const Scatter scatter{.op = ScatterOp::add,
                          .dst = result,
                          .src = updates,
                          .indices = indices,
                          .n = 2,
                          .count = 3,
                          .inner = 2};
    run(scatter);
    EXPECT_THAT(result.span(), ElementsAre(10, 20, 39, 52));
    indices[0] = 2;
    EXPECT_EQ(error_of([&] { run(scatter); }).status(), CardStatus::bad_index);
    queue.reset();
    expect_refused<Scatter>(
        scatter, [](auto& s) { s.index_type = DataType::u8; }, "i32 or i64");
    expect_refused<Scatter>(
        scatter, [](auto& s) { s.type = DataType::f64; }, "only moves");
    expect_refused<Scatter>(
        scatter, [](auto& s) { s.n = 3; }, "dst touches 24 bytes");
    expect_refused<Scatter>(
        scatter, [](auto& s) { s.elements = true; }, "indices touches 48 bytes");
}

TEST_F(TensorCommand, ResizeSumsTaps) {
    const auto source = filled<float>({10, 20});
    const auto table = filled<ResizeTap>({{0, 1}, {1, 0}, {0, 0.5F}, {1, 0.5F}, {1, 1}, {0, 0}});
    auto result = card.allocate<float>({3});
    const Resize resize{
        .dst = result, .src = source, .table = table, .taps = 2, .n = 2, .count = 3};
    run(resize);
    EXPECT_THAT(result.span(), ElementsAre(10, 15, 20));
    expect_refused<Resize>(
        resize, [](auto& r) { r.taps = 3; }, "table touches 72 bytes");
}

TEST_F(TensorCommand, ElementwiseConvertsAndSelects) {
    const auto ints = filled<std::int32_t>({1, -2, 3});
    const auto floats = filled<float>({0.5F, 0.5F, 0.5F});
    const auto which = filled<std::uint8_t>({1, 0, 1});
    auto result = card.allocate<std::int64_t>({3});
    run(Elementwise{.op = ElementwiseOp::select,
                    .dst = result,
                    .a = ints,
                    .b = ints,
                    .shape = {3},
                    .b_strides = {0},
                    .type = DataType::i64,
                    .dst_type = DataType::i64,
                    .a_type = DataType::i32,
                    .b_type = DataType::i32,
                    .c = which});
    EXPECT_THAT(result.span(), ElementsAre(1, 1, 3));
    auto bytes = card.allocate<std::int8_t>({3});
    const Elementwise sum{.dst = bytes,
                          .a = ints,
                          .b = floats,
                          .shape = {3},
                          .dst_type = DataType::i8,
                          .a_type = DataType::i32};
    run(sum);
    EXPECT_THAT(bytes.span(), ElementsAre(1, -1, 3));
    expect_refused<Elementwise>(
        sum, [](auto& e) { e.type = DataType::i32; }, "neither f32 nor i64");
    expect_refused<Elementwise>(
        sum, [&](auto& e) { e.c = bytes; }, "a meaning for ElementwiseOp::select only");
}

TEST_F(TensorCommand, QuantizedGemmIsExactAndRequantizes) {
    const auto a = filled<std::uint8_t>({130, 126});  // 2 and -2
    const auto b = filled<std::int8_t>({3, 4});
    auto sum = card.allocate<std::int32_t>({1});
    Gemm gemm{.d = sum,
              .a = a,
              .b = b,
              .m = 1,
              .n = 1,
              .k = 2,
              .format = {.a_type = DataType::u8,
                         .b_type = DataType::i8,
                         .result_type = DataType::i32,
                         .a_zero_point = 128}};
    run(gemm);
    EXPECT_THAT(sum.span(), ElementsAre(-2));
    auto result = card.allocate<std::int8_t>({1});
    const auto channel = filled<std::int32_t>({12, std::bit_cast<std::int32_t>(0.25F)});
    gemm.d = result;
    gemm.bias = channel;
    gemm.format.requantize = true;
    gemm.format.result_type = DataType::i8;
    gemm.format.result_zero_point = -100;
    run(gemm);
    EXPECT_THAT(result.span(), ElementsAre(-98));  // 2.5 rounds to 2
    expect_refused<Gemm>(
        gemm, [](auto& g) { g.format.b_type = DataType::f32; }, "combines data types");
    expect_refused<Gemm>(
        gemm, [](auto& g) { g.format.a_zero_point = 256; }, "zero point");
    expect_refused<Gemm>(
        gemm, [](auto& g) { g.bias = {}; }, "Gemm::bias is not set");
    expect_refused<Gemm>(
        gemm, [](auto& g) { g.batch = 0; }, "batch is zero");
    expect_refused<Gemm>(
        gemm,
        [](auto& g) {
            g.batch = 3;
            g.batch_stride_a = 1;
        },
        "Gemm::a touches 4 bytes");
}

}  // namespace
}  // namespace accel::test
