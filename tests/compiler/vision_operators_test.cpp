// SPDX-License-Identifier: Apache-2.0
//
// Operators on images and signals, losses, optimizers and random numbers: cases that ONNX's suite
// does not cover. The numbers are those of ONNX Runtime, or of ONNX's reference where that does not
// have the operator.
#include <algorithm>
#include <cmath>
#include <limits>

#include "one_node.hpp"

namespace accel::test {
namespace {

constexpr float infinite = std::numeric_limits<float>::infinity();

std::vector<float> counting(std::size_t count, float first = 0) {
    std::vector<float> numbers(count);
    for (std::size_t i = 0; i < count; ++i) {
        numbers[i] = first + static_cast<float>(i);
    }
    return numbers;
}

TensorData bytes(DataType type, Sizes shape, const std::vector<std::uint8_t>& values) {
    return tensor(type, std::move(shape), values);
}

void expect_near(const TensorData& got, const std::vector<float>& expected) {
    const std::vector<float> numbers = values<float>(got);
    ASSERT_EQ(numbers.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(numbers[i], expected[i], 1e-5F * std::max(1.0F, std::fabs(expected[i])))
            << "element " << i;
    }
}

TEST_F(OneNode, AVolumeIsSampledWithEachPadding) {
    opset = 20;
    const TensorData x = floats({1, 1, 2, 2, 2}, counting(8));
    const TensorData grid = floats({1, 2, 1, 1, 3}, {0.3F, -0.4F, 0.2F, 1.5F, 0.1F, -0.9F});
    const auto sample = [&](const char* padding) {
        return run("GridSample", {x, grid},
                   {attribute("mode", std::string("linear")),
                    attribute("padding_mode", std::string(padding))})[0];
    };
    expect_near(sample("zeros"), {3.8F, 0});
    expect_near(sample("border"), {3.8F, 2.2F});
    expect_near(sample("reflection"), {3.8F, 2.2F});
}

TEST_F(OneNode, RegionsChooseTheirNumberOfSamplesBySize) {
    opset = 16;
    const TensorData x = floats({1, 1, 5, 5}, counting(25));
    const TensorData regions = floats({2, 4}, {0.5F, 1, 4, 3.5F, -1, -1, 2, 2});
    const std::vector<onnx::AttributeProto> cells{attribute("output_height", 2),
                                                  attribute("output_width", 2)};
    const TensorData batch = integers({2}, {0, 0});
    constants = {1};
    const std::vector<float> average{6.5F, 8.25F, 12.75F, 14.5F, 0, 0.375F, 1.875F, 4.5F};
    expect_near(run("RoiAlign", {x, regions, batch}, cells)[0], average);
    constants = {};
    auto fixed = cells;
    fixed.push_back(attribute("sampling_ratio", 2));
    expect_near(run("RoiAlign", {x, regions, batch}, fixed)[0], average);
    fixed.push_back(attribute("mode", std::string("max")));
    expect_near(run("RoiAlign", {x, regions, batch}, fixed)[0],
                {3.351562F, 6.09375F, 7.5625F, 11.60156F, 0, 0.875F, 4.375F, 4.59375F});
}

TEST_F(OneNode, CellsOutsideTheImageAreZeroInMaxRoiPool) {
    constants = {1};
    const auto y =
        run("MaxRoiPool",
            {floats({1, 1, 5, 5}, counting(25)), floats({2, 5}, {0, 1, 1, 3, 3, 0, 4, 4, 9, 9})},
            {list_attribute("pooled_shape", {2, 2})})[0];
    EXPECT_EQ(values<float>(y), (std::vector<float>{12, 13, 17, 18, 24, 0, 0, 0}));
}

TEST_F(OneNode, ADeformedConvolutionReadsBetweenPixels) {
    opset = 19;
    std::vector<float> offsets;
    std::vector<float> mask;
    for (int i = 0; i < 32; ++i) {
        offsets.push_back(static_cast<float>(i % 5) * 0.25F - 0.5F);
    }
    for (int i = 0; i < 16; ++i) {
        mask.push_back(static_cast<float>(i % 3) * 0.5F);
    }
    expect_near(run("DeformConv",
                    {floats({1, 1, 3, 3}, counting(9)), floats({1, 1, 2, 2}, {1, 2, 3, 4}),
                     floats({1, 8, 2, 2}, offsets), floats({1}, {10}), floats({1, 4, 2, 2}, mask)},
                    {})[0],
                {15.125F, 18.9375F, 42, 24.625F});
}

TEST_F(OneNode, AReductionWithAntialiasAveragesAllPixels) {
    opset = 18;
    constants = {2};
    const std::vector<TensorData> inputs{floats({1, 1, 1, 8}, counting(8)), absent,
                                         floats({4}, {1, 1, 1, 0.4F})};
    expect_near(run("Resize", inputs,
                    {attribute("mode", std::string("linear")), attribute("antialias", 1)})[0],
                {0.88F, 3.24F, 5.72F});
    expect_near(run("Resize", inputs,
                    {attribute("mode", std::string("cubic")), attribute("antialias", 1),
                     attribute("exclude_outside", 1)})[0],
                {0.751713F, 3.19029F, 5.883602F});
}

TEST_F(OneNode, AnAspectRatioIsKeptOnRequest) {
    opset = 18;
    constants = {3};
    const auto y =
        run("Resize", {floats({1, 1, 3, 4}, counting(12)), absent, absent, integers({2}, {5, 5})},
            {attribute("keep_aspect_ratio_policy", std::string("not_larger")),
             list_attribute("axes", {2, 3})})[0];
    EXPECT_EQ(y.shape, (Sizes{1, 1, 4, 5}));
    EXPECT_EQ(values<float>(y),
              (std::vector<float>{0, 1, 1, 2, 3, 4, 5, 5, 6, 7, 4, 5, 5, 6, 7, 8, 9, 9, 10, 11}));
}

// Opset 10 does not state a rule for the nearest element.
TEST_F(OneNode, ResizeOfOpset10RoundsUpWhereAnAxisBecomesShorter) {
    opset = 10;
    constants = {1};
    const TensorData x = floats({1, 1, 4, 1}, counting(4));
    EXPECT_EQ(values<float>(run("Resize", {x, floats({4}, {1, 1, 0.6F, 1})})[0]),
              (std::vector<float>{0, 2}));
    EXPECT_EQ(values<float>(run("Resize", {x, floats({4}, {1, 1, 1.5F, 1})})[0]),
              (std::vector<float>{0, 0, 1, 2, 2, 3}));
}

TEST_F(OneNode, PadCutsOffElementsBeforeItCopiesOthers) {
    opset = 19;
    constants = {1};
    const TensorData x = floats({4}, counting(4));
    EXPECT_EQ(values<float>(run("Pad", {x, integers({2}, {3, -1})},
                                {attribute("mode", std::string("wrap"))})[0]),
              (std::vector<float>{0, 1, 2, 0, 1, 2}));
    EXPECT_EQ(values<float>(run("Pad", {x, integers({2}, {-1, 2})},
                                {attribute("mode", std::string("reflect"))})[0]),
              (std::vector<float>{1, 2, 3, 2, 1}));
}

TEST_F(OneNode, AnOddPaddingOfConvTransposeIsLargerAtTheBeginning) {
    opset = 11;
    constants = {1};
    const std::vector<TensorData> inputs{floats({1, 1, 2}, {1, 10}), floats({1, 1, 3}, {1, 2, 3})};
    std::vector<onnx::AttributeProto> attributes{list_attribute("strides", {2}),
                                                 list_attribute("output_shape", {4})};
    EXPECT_EQ(values<float>(run("ConvTranspose", inputs, attributes)[0]),
              (std::vector<float>{2, 13, 20, 30}));
    attributes.push_back(attribute("auto_pad", std::string("SAME_UPPER")));
    EXPECT_EQ(values<float>(run("ConvTranspose", inputs, attributes)[0]),
              (std::vector<float>{1, 2, 13, 20}));
}

TEST_F(OneNode, AnAverageCountsPaddingButNotWhatCeilModeAdds) {
    opset = 19;
    const std::vector<onnx::AttributeProto> attributes{
        list_attribute("kernel_shape", {3}), list_attribute("strides", {2}),
        attribute("ceil_mode", 1), attribute("count_include_pad", 1)};
    EXPECT_EQ(values<float>(run("AveragePool", {floats({1, 1, 6}, counting(6, 1))}, attributes)[0]),
              (std::vector<float>{2, 4, 5.5F}));
    auto padded = attributes;
    padded.push_back(list_attribute("pads", {1, 1}));
    EXPECT_EQ(values<float>(run("AveragePool", {floats({1, 1, 5}, counting(5, 1))}, padded)[0]),
              (std::vector<float>{1, 3, 3}));
}

TEST_F(OneNode, ALpPoolAddsTheElementsOfEachWindow) {
    opset = 18;
    const TensorData x = floats({1, 1, 4}, {3, -4, 0, 5});
    const std::vector<onnx::AttributeProto> window{list_attribute("kernel_shape", {2})};
    expect_near(run("LpPool", {x}, window)[0], {5, 4, 5});
    auto cubes = window;
    cubes.push_back(attribute("p", 3));
    expect_near(run("LpPool", {x}, cubes)[0], {std::cbrt(91.0F), 4, 5});
}

TEST_F(OneNode, MaxPoolOfAVolumeTellsWhereItsElementsAre) {
    opset = 12;
    const TensorData x = floats({1, 1, 2, 2, 2}, {0, 9, 1, 2, 3, 4, 5, 6});
    const std::vector<onnx::AttributeProto> window{list_attribute("kernel_shape", {2, 2, 2})};
    const auto rows = run("MaxPool", {x}, window, 2);
    EXPECT_EQ(values<float>(rows[0]), (std::vector<float>{9}));
    EXPECT_EQ(values<std::int64_t>(rows[1]), (std::vector<std::int64_t>{1}));
    auto columns = window;
    columns.push_back(attribute("storage_order", 1));
    EXPECT_EQ(values<std::int64_t>(run("MaxPool", {x}, columns, 2)[1]),
              (std::vector<std::int64_t>{4}));
    const TensorData small = bytes(DataType::i8, {1, 1, 3}, {0x80, 0x80, 0x81});
    const auto integers =
        run("MaxPool", {small},
            {list_attribute("kernel_shape", {2}), list_attribute("pads", {1, 0})}, 2);
    EXPECT_EQ(values<std::uint8_t>(integers[0]), (std::vector<std::uint8_t>{0x80, 0x80, 0x81}));
}

TEST_F(OneNode, MaxUnpoolPutsElementsBack) {
    const auto y = run("MaxUnpool", {floats({1, 1, 1, 2}, {8, 9}), integers({1, 1, 1, 2}, {5, 2})},
                       {list_attribute("kernel_shape", {2, 2}), list_attribute("strides", {2, 2})});
    EXPECT_EQ(values<float>(y[0]), (std::vector<float>{0, 0, 9, 0, 0, 8, 0, 0}));
}

TEST_F(OneNode, BlocksOverlapInCol2Im) {
    opset = 18;
    constants = {1, 2};
    const auto y =
        run("Col2Im",
            {floats({1, 4, 4}, counting(16, 1)), integers({2}, {4, 3}), integers({2}, {2, 2})},
            {list_attribute("strides", {2, 1})});
    EXPECT_EQ(values<float>(y[0]), (std::vector<float>{1, 7, 6, 9, 23, 14, 3, 11, 8, 11, 27, 16}));
}

TEST_F(OneNode, CumulativeResultsBeforeAnInfiniteElementStayFinite) {
    opset = 26;
    constants = {1};
    const TensorData x = floats({4}, {1, 2, infinite, -3});
    const TensorData axis = integers({}, {0});
    EXPECT_EQ(values<float>(run("CumSum", {x, axis})[0]),
              (std::vector<float>{1, 3, infinite, infinite}));
    EXPECT_EQ(values<float>(run("CumProd", {x, axis})[0]),
              (std::vector<float>{1, 2, infinite, -infinite}));
    EXPECT_EQ(values<float>(run("CumProd", {x, axis},
                                {attribute("exclusive", 1), attribute("reverse", 1)})[0]),
              (std::vector<float>{-infinite, -infinite, -3, 1}));
}

TEST_F(OneNode, ALongAxisHasACumulativeSum) {
    constants = {1};
    constexpr std::int64_t length = 100'000;
    const auto y =
        run("CumSum", {floats({length}, std::vector<float>(length, 0.1F)), integers({}, {0})})[0];
    EXPECT_NEAR(values<float>(y).back(), 10'000, 0.01);
}

TEST_F(OneNode, DeterminantsNeedPivotsAndMayBeZero) {
    EXPECT_EQ(values<float>(run("Det", {floats({3, 3, 3}, {0, 2, 0, 3, 0, 0, 0, 0, 4,  //
                                                           0, 1, 2, 0, 5, 6, 0, 7, 9,  //
                                                           0, 0, 1, 1, 0, 0, 0, 1, 0})})[0]),
              (std::vector<float>{-24, 0, 1}));
}

TEST_F(OneNode, LargeIntegersAreMultipliedExactly) {
    constexpr std::int64_t big = (std::int64_t{1} << 40) + 1;
    const auto y = run("MatMul", {integers({2, 2}, {big, 1, 2, -big}), integers({2, 1}, {3, 5})});
    EXPECT_EQ(values<std::int64_t>(y[0]), (std::vector<std::int64_t>{3 * big + 5, 6 - 5 * big}));
}

TEST_F(OneNode, AnIndexOutsideTheDepthHasNoClass) {
    constants = {1};
    const auto y =
        run("OneHot", {integers({4}, {4, -5, -1, 0}), integers({}, {4}), floats({2}, {2, 7})});
    EXPECT_EQ(values<float>(y[0]),
              (std::vector<float>{2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 7, 7, 2, 2, 2}));
}

TEST_F(OneNode, EachColumnMayHaveItsZeroPoint) {
    opset = 10;
    const TensorData a = bytes(DataType::u8, {2, 2}, {1, 2, 3, 4});
    const TensorData b = bytes(DataType::u8, {2, 2}, {5, 6, 7, 8});
    const TensorData zero = bytes(DataType::u8, {2}, {5, 7});
    EXPECT_EQ(
        values<std::int32_t>(run("MatMulInteger", {a, b, bytes(DataType::u8, {1}, {1}), zero})[0]),
        (std::vector<std::int32_t>{2, 1, 6, 1}));
    EXPECT_EQ(values<std::int32_t>(
                  run("MatMulInteger", {a, b, bytes(DataType::u8, {2}, {1, 3}), zero})[0]),
              (std::vector<std::int32_t>{2, 1, 2, 1}));
}

TEST_F(OneNode, EachChannelMayHaveItsZeroPoint) {
    opset = 10;
    std::vector<std::uint8_t> image{0, 1, 2, 3, 4, 5, 6, 7, 8};
    for (const std::vector<std::size_t>& known :
         {std::vector<std::size_t>{1, 2, 3}, std::vector<std::size_t>{1}}) {
        constants = known;
        EXPECT_EQ(values<std::int32_t>(
                      run("ConvInteger",
                          {bytes(DataType::u8, {1, 1, 3, 3}, image),
                           bytes(DataType::u8, {2, 1, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7}),
                           bytes(DataType::u8, {}, {1}), bytes(DataType::u8, {2}, {2, 5})},
                          {list_attribute("pads", {1, 0, 0, 0})})[0]),
                  (std::vector<std::int32_t>{0, 1, 5, 3, -1, -3, -1, 2, 9, 11, 15, 17}));
    }
}

TEST_F(OneNode, HalfATransformGivesTheRealSignal) {
    opset = 17;
    constants = {1};
    const TensorData x = floats({1, 3, 2}, {6, 0, -1.5F, 0.5F, -2, 0});
    const std::vector<onnx::AttributeProto> attributes{attribute("inverse", 1),
                                                       attribute("onesided", 1)};
    expect_near(run("DFT", {x}, attributes)[0], {0.25F, 1.75F, 1.75F, 2.25F});
    expect_near(run("DFT", {x, integers({}, {5})}, attributes)[0],
                {-0.2F, 1.471592F, 1.32064F, 1.555754F, 1.852015F});
}

TEST_F(OneNode, AxesWithoutElementsHaveReductions) {
    const TensorData x = floats({2, 0, 3}, {});
    constants = {1};
    const auto sum = run("ReduceSum", {x, integers({1}, {1})})[0];
    EXPECT_EQ(sum.shape, (Sizes{2, 1, 3}));
    EXPECT_EQ(values<float>(sum), std::vector<float>(6, 0));
    constants = {};
    const std::vector<onnx::AttributeProto> axis{list_attribute("axes", {1})};
    EXPECT_EQ(values<float>(run("ReduceProd", {x}, axis)[0]), std::vector<float>(6, 1));
    EXPECT_EQ(values<float>(run("ReduceMax", {x}, axis)[0]), std::vector<float>(6, -infinite));
    EXPECT_EQ(values<float>(run("ReduceMin", {x}, axis)[0]), std::vector<float>(6, infinite));
    EXPECT_TRUE(std::isnan(values<float>(run("ReduceMean", {x}, axis)[0])[0]));
    EXPECT_EQ(values<std::int64_t>(run("ReduceMax", {integers({2, 0}, {})}, axis)[0]),
              std::vector<std::int64_t>(2, INT64_MIN));
}

TEST_F(OneNode, AVectorOfZerosIsNormalizedToZeros) {
    expect_near(run("LpNormalization", {floats({2, 2}, {0, 0, 3, 4})})[0], {0, 0, 0.6F, 0.8F});
}

TEST_F(OneNode, TrainingUsesTheStatisticsOfTheBatch) {
    opset = 15;
    const auto y = run("BatchNormalization",
                       {floats({2, 2}, {1, 2, 3, 6}), floats({2}, {1, 2}), floats({2}, {0, 1}),
                        floats({2}, {0, 10}), floats({2}, {1, 1})},
                       {attribute("training_mode", 1), real_attribute("momentum", 0.5F),
                        real_attribute("epsilon", 0)},
                       3);
    expect_near(y[0], {-1, -1, 1, 3});
    expect_near(y[1], {1, 7});
    expect_near(y[2], {1, 2.5F});
}

TEST_F(OneNode, AnIgnoredTargetCountsNeitherInTheSumNorInTheWeights) {
    const std::vector<TensorData> inputs{floats({3, 2}, {-1, -2, -infinite, -4, -5, -6}),
                                         integers({3}, {0, -1, 1}), floats({2}, {2, 3})};
    const std::vector<onnx::AttributeProto> attributes{attribute("ignore_index", -1)};
    expect_near(run("NegativeLogLikelihoodLoss", inputs, attributes)[0], {20.0F / 5});
}

TEST_F(OneNode, AdamCorrectsItsMoments) {
    const TensorData rate = floats({}, {0.1F});
    const auto y = run("ai.onnx.preview.training.Adam",
                       {rate, integers({}, {2}), floats({2}, {1, 2}), floats({2}, {0.5F, -1}),
                        floats({2}, {0.1F, 0.2F}), floats({2}, {0.3F, 0.4F})},
                       {real_attribute("alpha", 0.9F), real_attribute("beta", 0.99F),
                        real_attribute("epsilon", 0.001F), real_attribute("norm_coefficient", 0.1F),
                        real_attribute("norm_coefficient_post", 0.01F)},
                       3);
    expect_near(y[0], {0.969927F, 1.968431F});
    expect_near(y[1], {0.15F, 0.1F});
    expect_near(y[2], {0.3006F, 0.4024F});
}

TEST_F(OneNode, NGramsHaveTheirOwnWeights) {
    opset = 9;
    onnx::AttributeProto weights;
    weights.set_name("weights");
    weights.set_type(onnx::AttributeProto::FLOATS);
    for (const float weight : {0.5F, 2.0F, 3.0F, 4.0F}) {
        weights.add_floats(weight);
    }
    const auto y =
        run("TfIdfVectorizer", {integers({1, 6}, {1, 2, 1, 3, 2, 1})},
            {attribute("mode", std::string("TFIDF")), attribute("min_gram_length", 1),
             attribute("max_gram_length", 2), attribute("max_skip_count", 1),
             list_attribute("ngram_counts", {0, 2}), list_attribute("ngram_indexes", {3, 0, 1, 2}),
             list_attribute("pool_int64s", {1, 2, 1, 2, 2, 1}), weights});
    EXPECT_EQ(values<float>(y[0]), (std::vector<float>{4, 6, 8, 1.5F}));
}

TEST_F(OneNode, BitsKeepTheirMeaningInAnotherType) {
    opset = 26;
    const auto y =
        run("BitCast", {floats({2}, {1, -2})}, {attribute("to", onnx::TensorProto::INT32)})[0];
    EXPECT_EQ(values<std::int32_t>(y), (std::vector<std::int32_t>{0x3f800000, -0x40000000}));
    EXPECT_EQ(values<std::uint8_t>(run("BitwiseNot", {bytes(DataType::u8, {2}, {5, 255})})[0]),
              (std::vector<std::uint8_t>{250, 0}));
}

// The first block of Philox 4x32-10 with the counter 0 and the key 0 is 6627e8d5 e169c58d bc57ac4c
// 9b00dbd8.
TEST_F(OneNode, RandomNumbersAreThoseOfPhilox) {
    const std::vector<onnx::AttributeProto> attributes{list_attribute("shape", {4}),
                                                       real_attribute("seed", 0)};
    expect_near(run("RandomUniform", {}, attributes)[0],
                {0x6627e8p-24F, 0xe169c5p-24F, 0xbc57acp-24F, 0x9b00dbp-24F});
    const std::vector<onnx::AttributeProto> many{
        list_attribute("shape", {10'000}), real_attribute("mean", 3), real_attribute("scale", 2)};
    const auto normal = values<float>(run("RandomNormal", {}, many)[0]);
    double sum = 0;
    double squares = 0;
    for (const float x : normal) {
        sum += x;
        squares += (x - 3.0) * (x - 3.0);
    }
    EXPECT_NEAR(sum / 10'000, 3, 0.1);
    EXPECT_NEAR(squares / 10'000, 4, 0.2);
}

TEST_F(OneNode, ProbabilitiesDecideOnRandomChoices) {
    opset = 15;
    EXPECT_EQ(values<float>(run("Bernoulli", {floats({4}, {0, 1, 0, 1})})[0]),
              (std::vector<float>{0, 1, 0, 1}));
    const auto classes = values<std::int32_t>(
        run("Multinomial", {floats({1, 3}, {-infinite, std::log(0.25F), std::log(0.75F)})},
            {attribute("sample_size", 4'000)})[0]);
    EXPECT_EQ(std::ranges::count(classes, 0), 0);
    EXPECT_NEAR(static_cast<double>(std::ranges::count(classes, 2)), 3'000, 120);
}

}  // namespace
}  // namespace accel::test
