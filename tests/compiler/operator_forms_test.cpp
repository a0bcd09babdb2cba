// SPDX-License-Identifier: Apache-2.0
//
// Rare forms of operators: empty lists of axes, unusual attributes, zero points of channels,
// attention whose queries and keys differ in number. The expected values are those of the
// definitions, and of ONNX Runtime where these are silent.
#include <cmath>
#include <limits>

#include "one_node.hpp"

namespace accel::test {
namespace {

using Inputs = std::vector<TensorData>;
using Attributes = std::vector<onnx::AttributeProto>;
using Floats = std::vector<float>;

class OperatorForms : public OneNode {
  protected:
    // The first result, on the card and folded.
    template <typename T>
    std::vector<T> everywhere(const char* op, const Inputs& inputs,
                              const Attributes& attributes = {},
                              const std::vector<std::size_t>& always = {}) {
        constants = always;
        const TensorData onto_card = run(op, inputs, attributes).at(0);
        constants.clear();
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            constants.push_back(i);
        }
        EXPECT_EQ(run(op, inputs, attributes).at(0).bytes, onto_card.bytes) << op << ", folded";
        shape = onto_card.shape;
        return values<T>(onto_card);
    }
    Floats results(const char* op, const Inputs& inputs, const Attributes& attributes = {},
                   const std::vector<std::size_t>& always = {}) {
        return everywhere<float>(op, inputs, attributes, always);
    }

    Sizes shape;
};

void expect_near(const Floats& got, const Floats& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << i;
    }
}

TEST_F(OperatorForms, AReductionOverNoAxisComputesEachElement) {
    opset = 18;
    const TensorData x = floats({2}, {1, 4});
    const TensorData none = integers({0}, {});
    const Attributes noop{attribute("noop_with_empty_axes", 1)};
    const auto expect = [&](const char* op, const Floats& expected) {
        expect_near(results(op, {x, none}, noop, {1}), expected);
        expect_near(results(op, {x}, noop), expected);
        expect_near(results(op, {floats({}, {4})}, noop), {expected[1]});
    };
    expect("ReduceSum", {1, 4});
    expect("ReduceSumSquare", {1, 16});
    expect("ReduceLogSum", {0, std::log(4.0F)});
    expect("ReduceL2", {1, 4});
    expect("ReduceLogSumExp", {1, 4});
    expect_near(results("ReduceSumSquare", {x, none}, {}, {1}), {17});
}

TEST_F(OperatorForms, RootsAndLogarithmsOfSumsOfIntegers) {
    opset = 18;
    const TensorData x = tensor<std::int32_t>(DataType::i32, {2}, {30000, 40000});
    EXPECT_EQ(everywhere<std::int32_t>("ReduceL2", {x}), std::vector<std::int32_t>{50000});
    EXPECT_EQ(everywhere<std::int32_t>("ReduceLogSum", {x}), std::vector<std::int32_t>{11});
    const TensorData small = tensor<std::int32_t>(DataType::i32, {2}, {8, 8});
    EXPECT_EQ(everywhere<std::int32_t>("ReduceLogSumExp", {small}), std::vector<std::int32_t>{8});
}

TEST_F(OperatorForms, LogSumExpOfInfiniteNumbers) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    opset = 18;
    const TensorData x = floats({4, 2}, {inf, -inf, inf, inf, -inf, -inf, 3e38F, -3e38F});
    EXPECT_EQ(results("ReduceLogSumExp", {x, integers({1}, {1})}, {}, {1}),
              (Floats{inf, inf, -inf, 3e38F}));
}

TEST_F(OperatorForms, ShrinkOfIntegers) {
    const std::vector<std::int8_t> x{-5, -1, 0, 1, 5};
    EXPECT_EQ(everywhere<std::int8_t>("Shrink", {tensor(DataType::i8, {5}, x)},
                                      {real_attribute("lambd", 1.5F), real_attribute("bias", 1)}),
              (std::vector<std::int8_t>{-4, 0, 0, 0, 4}));
}

TEST_F(OperatorForms, SqueezeWithoutAxesRemovesAllOfLengthOne) {
    const TensorData x = floats({1, 2, 1}, {1, 2});
    static_cast<void>(results("Squeeze", {x, integers({0}, {})}, {}, {1}));
    EXPECT_EQ(shape, Sizes{2});
    opset = 11;
    static_cast<void>(results("Squeeze", {x}, {list_attribute("axes", {})}));
    EXPECT_EQ(shape, Sizes{2});
}

TEST_F(OperatorForms, ClipWithoutABoundHasTheLargestFiniteNumber) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    constexpr float most = std::numeric_limits<float>::max();
    const TensorData x = floats({3}, {-inf, 0.5F, inf});
    EXPECT_EQ(results("Clip", {x}), (Floats{-most, 0.5F, most}));
    EXPECT_EQ(results("Clip", {x, floats({}, {0})}, {}, {1}), (Floats{0, 0.5F, most}));
    EXPECT_EQ(results("Clip", {x, floats({}, {0})}), (Floats{0, 0.5F, most}));
    EXPECT_EQ(results("Clip", {x, absent, floats({}, {0})}), (Floats{-most, 0, 0}));
}

TEST_F(OperatorForms, CeluWithANegativeAlpha) {
    const Floats y = results("Celu", {floats({4}, {-1, 0, 1, 3})}, {real_attribute("alpha", -2)});
    expect_near(y, {-2 * (std::exp(0.5F) - 1), 0, 1, 3});
}

TEST_F(OperatorForms, GeluOfLargeNumbersIsFinite) {
    opset = 20;
    const Floats y = results("Gelu", {floats({2}, {3e38F, -3e38F})},
                             {attribute("approximate", std::string("tanh"))});
    EXPECT_EQ(y, (Floats{3e38F, 0}));
}

TEST_F(OperatorForms, TheMaskOfDropoutHasTheTypeOfItsOpset) {
    const TensorData x = floats({2}, {3, 4});
    opset = 7;
    EXPECT_EQ(values<float>(run("Dropout", {x}, {}, 2).at(1)), (Floats{1, 1}));
    opset = 12;
    EXPECT_EQ(values<std::uint8_t>(run("Dropout", {x}, {}, 2).at(1)),
              (std::vector<std::uint8_t>{1, 1}));
}

TEST_F(OperatorForms, TheExponentOfLpPools) {
    const TensorData x = floats({1, 1, 1, 2}, {3, 4});
    const auto window = list_attribute("kernel_shape", {1, 2});
    opset = 18;
    expect_near(results("LpPool", {x}, {window, attribute("p", 1)}), {7});
    expect_near(results("LpPool", {x}, {window, attribute("p", 3)}), {std::cbrt(91.0F)});
    expect_near(results("GlobalLpPool", {x}, {attribute("p", 1)}), {7});
    expect_near(results("GlobalLpPool", {x}), {5});
    opset = 1;
    expect_near(results("GlobalLpPool", {x}, {real_attribute("p", 1)}), {7});
}

TEST_F(OperatorForms, IntegerProductsOfVectors) {
    const auto bytes = [](Sizes dims, const std::vector<std::uint8_t>& numbers) {
        return tensor(DataType::u8, std::move(dims), numbers);
    };
    const TensorData vector = bytes({2}, {3, 4});
    const TensorData matrix = bytes({2, 2}, {1, 2, 3, 4});
    const TensorData zero = bytes({}, {1});
    using Integers = std::vector<std::int32_t>;
    EXPECT_EQ(everywhere<std::int32_t>("MatMulInteger", {vector, matrix}), (Integers{15, 22}));
    EXPECT_EQ(shape, Sizes{2});
    EXPECT_EQ(everywhere<std::int32_t>("MatMulInteger", {matrix, vector, zero}), (Integers{4, 18}));
    EXPECT_EQ(everywhere<std::int32_t>("MatMulInteger", {vector, vector}), Integers{25});
    EXPECT_EQ(shape, Sizes{});
}

TEST_F(OperatorForms, QLinearConvWithAZeroPointForEachChannel) {
    const auto bytes = [](Sizes dims, const std::vector<std::uint8_t>& numbers) {
        return tensor(DataType::u8, std::move(dims), numbers);
    };
    const TensorData bias = tensor<std::int32_t>(DataType::i32, {2}, {2, -4});
    const Inputs inputs{bytes({1, 1, 1, 3}, {10, 20, 30}),
                        floats({}, {0.5F}),
                        bytes({}, {10}),
                        bytes({2, 1, 1, 1}, {5, 9}),
                        floats({2}, {0.5F, 1}),
                        bytes({2}, {1, 10}),
                        floats({}, {1}),
                        bytes({}, {100}),
                        bias};
    // (x - 10) * (w - zero point) + bias, times 0.25 or 0.5.
    EXPECT_EQ(everywhere<std::uint8_t>("QLinearConv", inputs, {}, {1, 2, 4, 5, 6, 7, 8}),
              (std::vector<std::uint8_t>{100, 110, 120, 98, 93, 88}));
}

// Query i attends the keys up to position past + i, and the last one attends all.
TEST_F(OperatorForms, CausalAttentionCountsFromThePast) {
    const Attributes causal{attribute("num_heads", 1), attribute("unidirectional", 1)};
    // Equal scores: each query gets the mean of the values that it attends.
    const auto zeros = [](std::int64_t length) {
        return floats({1, length, 1}, Floats(static_cast<std::size_t>(length)));
    };
    const TensorData v = floats({1, 3, 1}, {1, 2, 6});
    expect_near(results("com.microsoft.MultiHeadAttention", {zeros(2), zeros(3), v}, causal),
                {1, 3});
    const TensorData two = floats({1, 2, 1}, {1, 2});
    expect_near(results("com.microsoft.MultiHeadAttention", {zeros(4), zeros(2), two}, causal),
                {1, 1.5F, 1.5F, 1.5F});
    const TensorData past = floats({1, 1, 1, 1}, {4});
    expect_near(
        results("com.microsoft.MultiHeadAttention",
                {zeros(2), zeros(3), v, absent, absent, absent, floats({1, 1, 1, 1}, {0}), past},
                causal),
        {2.5F, 3.25F});
}

TEST_F(OperatorForms, MatMulNBitsWithBlocksOfScatteredColumns) {
    const std::int64_t columns = 32;
    const Attributes attributes{attribute("K", columns), attribute("N", 1), attribute("bits", 8),
                                attribute("block_size", 16)};
    std::vector<std::uint8_t> packed(32, 129);  // one above the zero point
    std::vector<std::int32_t> groups(32);
    for (std::size_t i = 0; i < groups.size(); ++i) {
        groups[i] = static_cast<std::int32_t>(i % 2);
    }
    Floats x(32);
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = i % 2 == 0 ? 1.0F : 10.0F;
    }
    const Inputs inputs{floats({1, columns}, x), tensor(DataType::u8, {1, 2, 16}, packed),
                        floats({2}, {1, 100}), absent, tensor(DataType::i32, {columns}, groups)};
    EXPECT_EQ(results("com.microsoft.MatMulNBits", inputs, attributes, {1, 2, 4}),
              Floats{16 + 16000});
    groups[3] = 2;
    Inputs wrong = inputs;
    wrong[4] = tensor(DataType::i32, {columns}, groups);
    constants = {1, 2, 4};
    expect_says(error_of([&] { run("com.microsoft.MatMulNBits", wrong, attributes); }),
                "g_idx names block 2 of 2");
}

TEST_F(OperatorForms, RelativePositionBias) {
    // Two heads of four buckets, in the order of the columns of a table [4, 2].
    const TensorData table = floats({4, 2}, {0, 1, 2, 3, 10, 11, 12, 13});
    const Inputs inputs{table, integers({1}, {3}), integers({1}, {3})};
    Attributes attributes{attribute("max_distance", 8)};
    // Distances 0, 1 and 2 behind; keys ahead have the distance 0.
    EXPECT_EQ(results("com.microsoft.RelativePositionBias", inputs, attributes, {1, 2}),
              (Floats{0, 0, 0, 1, 0, 0, 2, 1, 0, 10, 10, 10, 11, 10, 10, 12, 11, 10}));
    EXPECT_EQ(shape, (Sizes{1, 2, 3, 3}));
    attributes.push_back(attribute("is_bidirectional", 1));
    EXPECT_EQ(results("com.microsoft.RelativePositionBias", inputs, attributes, {1, 2}),
              (Floats{0, 3, 3, 1, 0, 3, 1, 1, 0, 10, 13, 13, 11, 10, 13, 11, 11, 10}));
}

TEST_F(OperatorForms, GatedRelativePositionBias) {
    const Inputs inputs{floats({1, 1, 2}, {1, 2}), floats({2}, {0, 0}),
                        floats({1, 1, 1, 1}, {3}), floats({2, 2}, {1, 0, 0, 1}),
                        floats({2}, {0, 0}),       floats({1, 1, 1, 1}, {2})};
    const auto sigmoid = [](float x) { return 1 / (1 + std::exp(-x)); };
    const float gate = sigmoid(1) * (sigmoid(2) * 2 - 1) + 2;
    expect_near(
        results("com.microsoft.GatedRelativePositionBias", inputs, {attribute("num_heads", 1)}),
        {3 * gate});
}

}  // namespace
}  // namespace accel::test
