// SPDX-License-Identifier: Apache-2.0
//
// Operators and cases that ONNX's suite does not cover: models of one node.
#include <cmath>

#include "one_node.hpp"

namespace accel::test {
namespace {

// f32 does not distinguish 2^24 and 2^24 + 1.
TEST_F(OneNode, LargeIntegersAreReducedExactly) {
    constexpr std::int64_t big = std::int64_t{1} << 40;
    const TensorData x =
        integers({2, 5}, {big, big + 1, big - 1, 7, big + 1, -big, 1, -big - 1, 2, 3});
    EXPECT_EQ(values<std::int64_t>(run("ArgMax", {x}, {attribute("axis", 1)})[0]),
              (std::vector<std::int64_t>{1, 4}))
        << "the first of equal elements";
    EXPECT_EQ(values<std::int64_t>(run("ArgMin", {x}, {attribute("axis", 1)})[0]),
              (std::vector<std::int64_t>{3, 2}));
    EXPECT_EQ(values<std::int64_t>(
                  run("ArgMax", {x}, {attribute("axis", 1), attribute("select_last_index", 1)})[0]),
              (std::vector<std::int64_t>{4, 4}));
    constants = {1};
    const TensorData axes = integers({1}, {1});
    EXPECT_EQ(values<std::int64_t>(run("ReduceSum", {x, axes})[0]),
              (std::vector<std::int64_t>{4 * big + 8, -2 * big + 5}));
    EXPECT_EQ(values<std::int64_t>(run("CumSum", {x, integers({}, {1})})[0]),
              (std::vector<std::int64_t>{big, 2 * big + 1, 3 * big, 3 * big + 7, 4 * big + 8, -big,
                                         1 - big, -2 * big, 2 - 2 * big, 5 - 2 * big}));
    EXPECT_EQ(values<std::int64_t>(run("CumSum", {x, integers({}, {1})},
                                       {attribute("exclusive", 1), attribute("reverse", 1)})[0]),
              (std::vector<std::int64_t>{3 * big + 8, 2 * big + 7, big + 8, big + 1, 0, 5 - big,
                                         4 - big, 5, 3, 0}));
}

TEST_F(OneNode, AnF16ConvolutionAcceptsAnF16Bias) {
    const auto halves = [](const Sizes& shape, const std::vector<float>& of) {
        const auto made = compiler::make_constant(DataType::f16, shape, std::span<const float>(of));
        return TensorData{DataType::f16, shape, made->data};
    };
    constants = {1, 2};
    const auto out = run("Conv", {halves({1, 1, 2, 2}, {1, 2, 3, 4}), halves({2, 1, 1, 1}, {10, 1}),
                                  halves({2}, {0.5, -1})})[0];
    EXPECT_EQ(out.bytes, halves({1, 2, 2, 2}, {10.5, 20.5, 30.5, 40.5, 0, 1, 2, 3}).bytes);
}

TEST_F(OneNode, TopKHandlesTiesInfinitiesAndIntegers) {
    constants = {1};
    const float inf = INFINITY;
    auto out = run("TopK", {floats({6}, {-inf, 3, 3, -inf, inf, 3}), integers({1}, {6})}, {}, 2);
    EXPECT_EQ(values<float>(out[0]), (std::vector<float>{inf, 3, 3, 3, -inf, -inf}));
    EXPECT_EQ(values<std::int64_t>(out[1]), (std::vector<std::int64_t>{4, 1, 2, 5, 0, 3}));
    constexpr std::int64_t big = std::int64_t{1} << 50;
    out = run("TopK", {integers({2, 3}, {big, big + 1, 5, 1, 2, 3}), integers({1}, {2})}, {}, 2);
    EXPECT_EQ(values<std::int64_t>(out[0]), (std::vector<std::int64_t>{big + 1, big, 3, 2}));
    out = run("TopK", {floats({3}, {NAN, 1, 2}), integers({1}, {2})}, {}, 2);
    for (const std::int64_t index : values<std::int64_t>(out[1])) {
        EXPECT_TRUE(index >= 0 && index < 3) << "an index is never outside, even with NaN";
    }
}

TEST_F(OneNode, EinsumSupportsDiagonalsSumsAndEllipses) {
    const TensorData m = floats({2, 2}, {1, 2, 3, 4});
    const TensorData v = floats({2}, {10, 100});
    const auto einsum = [&](const char* equation, const std::vector<TensorData>& inputs) {
        return values<float>(
            run("Einsum", inputs, {attribute("equation", std::string(equation))})[0]);
    };
    EXPECT_EQ(einsum("ii", {m}), (std::vector<float>{5}));
    EXPECT_EQ(einsum("ii->i", {m}), (std::vector<float>{1, 4}));
    EXPECT_EQ(einsum("ij,j->i", {m, v}), (std::vector<float>{210, 430}));
    EXPECT_EQ(einsum("ij,j", {m, v}), (std::vector<float>{210, 430}));
    EXPECT_EQ(einsum("i,j->ij", {v, v}), (std::vector<float>{100, 1000, 1000, 10000}));
    EXPECT_EQ(einsum("ij,jk,k->i", {m, m, v}), (std::vector<float>{1070, 2350}));
    EXPECT_EQ(einsum("...j,...j->...", {m, m}), (std::vector<float>{5, 25}));
    EXPECT_EQ(einsum("b...,...->b...", {m, v}), (std::vector<float>{10, 200, 30, 400}));
}

// Computes the steps of both directions one by one.
TEST_F(OneNode, ABidirectionalRnnRunsInBothDirections) {
    constants = {1, 2};
    const TensorData x = floats({3, 1, 1}, {1, 2, 3});
    const auto out = run("RNN", {x, floats({2, 1, 1}, {1, 1}), floats({2, 1, 1}, {0.5, 0.5})},
                         {attribute("hidden_size", 1), attribute("direction", "bidirectional")}, 2);
    const auto step = [](float input, float before) { return std::tanh(input + 0.5F * before); };
    const float f1 = step(1, 0);
    const float f2 = step(2, f1);
    const float f3 = step(3, f2);
    const float b3 = step(3, 0);
    const float b2 = step(2, b3);
    const float b1 = step(1, b2);
    const std::vector<float> expected{f1, b1, f2, b2, f3, b3};
    const auto got = values<float>(out[0]);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], expected[i], 1e-6) << i;
    }
    const auto last = values<float>(out[1]);
    EXPECT_NEAR(last[0], f3, 1e-6);
    EXPECT_NEAR(last[1], b1, 1e-6);
}

// Compared with the definitions of ONNX Runtime.
TEST_F(OneNode, OperatorsOfOnnxRuntimesOptimizerAreSupported) {
    const std::vector<float> x{-2, -0.5, 0.25, 3};
    const auto near = [&](const TensorData& got, const auto& function) {
        const auto of = values<float>(got);
        for (std::size_t i = 0; i < x.size(); ++i) {
            EXPECT_NEAR(of[i], function(static_cast<double>(x[i])), 2e-6) << i;
        }
    };
    const TensorData row = floats({1, 4}, x);
    const auto gelu = [](double v) { return v / 2 * (1 + std::erf(v / std::sqrt(2.0))); };
    near(run("com.microsoft.Gelu", {row})[0], gelu);
    near(run("com.microsoft.BiasGelu", {row, floats({4}, {1, 1, 1, 1})})[0],
         [&](double v) { return gelu(v + 1); });
    near(run("com.microsoft.FastGelu", {row})[0], [](double v) {
        return v / 2 * (1 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
    });
    near(run("com.microsoft.QuickGelu", {row})[0],
         [](double v) { return v / (1 + std::exp(-1.702 * v)); });
    onnx::AttributeProto half;
    half.set_name("alpha");
    half.set_type(onnx::AttributeProto::FLOAT);
    half.set_f(0.5F);
    EXPECT_EQ(values<float>(run("com.microsoft.FusedMatMul",
                                {floats({2, 2}, {1, 2, 3, 4}), floats({2, 2}, {1, 0, 0, 1})},
                                {half, attribute("transA", 1)})[0]),
              (std::vector<float>{0.5, 1.5, 1, 2}));
    // (3, 1) has the mean 2 and the deviation 1. The fourth output is the sum of the inputs.
    const TensorData gamma = floats({2}, {10, 20});
    auto out =
        run("com.microsoft.SkipLayerNormalization",
            {floats({1, 2}, {2, 0}), floats({1, 2}, {1, 1}), gamma, floats({2}, {1, 2})}, {}, 4);
    EXPECT_EQ(values<float>(out[0]), (std::vector<float>{11, -18}));
    EXPECT_EQ(values<float>(out[3]), (std::vector<float>{3, 1}));
    out = run("SimplifiedLayerNormalization", {floats({1, 2}, {3, 3}), gamma});
    EXPECT_NEAR(values<float>(out[0])[1], 20, 1e-4);
    out = run("com.microsoft.SkipSimplifiedLayerNormalization",
              {floats({1, 2}, {1, 1}), floats({1, 2}, {2, 2}), gamma}, {}, 4);
    EXPECT_NEAR(values<float>(out[0])[0], 10, 1e-4);
    EXPECT_EQ(values<float>(out[3]), (std::vector<float>{3, 3}));
    expect_says(error_of([&] { static_cast<void>(run("com.microsoft.Tokenizer", {row})); }),
                "Tokenizer", "not supported");
}

TEST_F(OneNode, ALoopWithoutATripCountRunsUntilItsConditionIsFalse) {
    // x doubles until it is not below 100. The condition is constant because x is.
    onnx::ModelProto file;
    file.add_opset_import()->set_version(13);
    onnx::GraphProto& graph = *file.mutable_graph();
    const auto weight = [](onnx::GraphProto& to, const char* name, float value) {
        onnx::TensorProto& made = *to.add_initializer();
        made.set_name(name);
        made.set_data_type(onnx::TensorProto::FLOAT);
        made.add_float_data(value);
    };
    const auto node = [](onnx::GraphProto& to, const char* op, std::vector<std::string> inputs,
                         const char* output) -> onnx::NodeProto& {
        onnx::NodeProto& made = *to.add_node();
        made.set_op_type(op);
        made.mutable_input()->Add(inputs.begin(), inputs.end());
        made.add_output(output);
        return made;
    };
    weight(graph, "one", 1);
    onnx::TensorProto& going = *graph.add_initializer();
    going.set_name("going");
    going.set_data_type(onnx::TensorProto::BOOL);
    going.add_int32_data(1);
    onnx::NodeProto& loop = node(graph, "Loop", {"", "going", "one"}, "last");
    onnx::AttributeProto& body = *loop.add_attribute();
    body.set_name("body");
    body.set_type(onnx::AttributeProto::GRAPH);
    onnx::GraphProto& inside = *body.mutable_g();
    for (const char* name : {"i", "c", "x"}) {
        inside.add_input()->set_name(name);
    }
    weight(inside, "limit", 100);
    node(inside, "Add", {"x", "x"}, "twice");
    node(inside, "Less", {"twice", "limit"}, "more");
    inside.add_output()->set_name("more");
    inside.add_output()->set_name("twice");
    graph.add_output()->set_name("last");
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net = compiler::compile(device, compiler::import_onnx(file, "loop.onnx", {}));
    EXPECT_EQ(values<float>(net.run(queue, std::vector<TensorData>())[0]),
              (std::vector<float>{128}));
    // An infinite loop is an error.
    *inside.mutable_node(1)->mutable_input(1) = "twice";
    inside.mutable_node(1)->set_op_type("Equal");
    expect_says(error_of([&] {
                    static_cast<void>(
                        compiler::compile(device, compiler::import_onnx(file, "loop.onnx", {})));
                }),
                "loop.onnx", "Loop", "more than 10000 times");
}

// Ordinary values of every size, and the special ones.
std::vector<float> all_kinds_of_values() {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    std::vector<float> x{0.0F,   -0.0F,   1.0F,     -1.0F,
                         1e-40F, -1e-45F, infinity, -infinity,
                         3e38F,  -3e38F,  0.5F,     std::numeric_limits<float>::quiet_NaN()};
    for (int exponent = -30; exponent < 30; ++exponent) {
        for (const float mantissa : {1.1F, -1.2F, 1.7F}) {
            x.push_back(std::ldexp(mantissa, exponent));
        }
    }
    return x;
}

void expect_same_bits(const TensorData& a, const TensorData& b, const char* what) {
    const auto x = values<float>(a);
    const auto y = values<float>(b);
    ASSERT_EQ(x.size(), y.size()) << what;
    for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_TRUE(std::memcmp(&x[i], &y[i], sizeof(float)) == 0 ||
                    (std::isnan(x[i]) && std::isnan(y[i])))
            << what << ": element " << i << " is " << x[i] << " and " << y[i];
    }
}

TEST_F(OneNode, FoldedValuesHaveTheBitsOfTheCard) {
    const std::vector<float> kinds = all_kinds_of_values();
    const auto count = static_cast<std::int64_t>(kinds.size());
    const TensorData x = floats({count, 1}, kinds);
    for (const char* const op :
         {"Abs",       "Acos",        "Acosh",      "Asin",      "Asinh",    "Atan", "Atanh",
          "Ceil",      "Cos",         "Cosh",       "Elu",       "Erf",      "Exp",  "Floor",
          "Log",       "Neg",         "Relu",       "Round",     "Selu",     "Sign", "Sigmoid",
          "Sin",       "Sinh",        "Softplus",   "Softsign",  "Sqrt",     "Tan",  "Tanh",
          "LeakyRelu", "HardSigmoid", "Reciprocal", "ReduceMax", "ReduceMin"}) {
        const TensorData on_card = run(op, {x})[0];
        constants = {0};
        expect_same_bits(run(op, {x})[0], on_card, op);
        constants = {};
    }
    const TensorData y = floats({1, count}, kinds);
    for (const char* const op : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "PRelu"}) {
        const TensorData on_card = run(op, {x, y})[0];
        constants = {0, 1};
        expect_same_bits(run(op, {x, y})[0], on_card, op);
        constants = {};
    }
}

TEST_F(OneNode, FoldedSumsHaveTheBitsOfTheCard) {
    for (const std::int64_t n : {1, 63, 64, 65, 200, 1000}) {
        std::vector<float> numbers;
        for (std::int64_t i = 0; i < n * 3; ++i) {
            numbers.push_back(std::sin(static_cast<float>(i)) * 1.01F);
        }
        const TensorData x = floats({n, 3}, numbers);
        for (const char* const op : {"ReduceMean", "ReduceProd", "ReduceSum", "ReduceL2"}) {
            const TensorData on_card = run(op, {x})[0];
            constants = {0};
            expect_same_bits(run(op, {x})[0], on_card, op);
            constants = {};
        }
    }
}

TEST_F(OneNode, MaxAndMinGiveTheNaNOfEitherSide) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const TensorData a = floats({4}, {1, nan, -0.0F, 0.0F});
    const TensorData b = floats({4}, {nan, 1, 0.0F, -0.0F});
    for (const char* const op : {"Max", "Min"}) {
        const auto y = values<float>(run(op, {a, b})[0]);
        EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1])) << op;
        EXPECT_EQ(std::signbit(y[2]), op == std::string("Min"));
        EXPECT_EQ(std::signbit(y[3]), op == std::string("Min"));
    }
}

TEST_F(OneNode, AReductionOfNoElementsGivesTheIdentity) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const TensorData x = floats({2, 0, 3}, {});
    const auto reduced = [&](const char* op) { return values<float>(run(op, {x})[0]); };
    EXPECT_EQ(reduced("ReduceProd"), (std::vector<float>{1}));
    EXPECT_EQ(reduced("ReduceMax"), (std::vector<float>{-infinity}));
    EXPECT_EQ(reduced("ReduceMin"), (std::vector<float>{infinity}));
    EXPECT_TRUE(std::isnan(reduced("ReduceMean")[0]));
    constants = {1};
    EXPECT_EQ(values<float>(run("ReduceSum", {x, integers({1}, {1})})[0]),
              std::vector<float>(6, 0.0F));
}

TEST_F(OneNode, DropoutInTrainingDropsTheShareThatItStates) {
    constexpr std::int64_t count = 4000;
    constants = {1, 2};
    const TensorData training = tensor<std::uint8_t>(DataType::boolean, {}, {1});
    const auto dropped = [&](std::int64_t seed) {
        return run("Dropout",
                   {floats({count}, std::vector<float>(count, 3)), floats({}, {0.25F}), training},
                   {attribute("seed", seed)}, 2);
    };
    const auto y = dropped(1);
    const auto kept = values<std::uint8_t>(y[1]);
    const auto results = values<float>(y[0]);
    for (std::size_t i = 0; i < kept.size(); ++i) {
        EXPECT_FLOAT_EQ(results[i], kept[i] != 0 ? 4 : 0);
    }
    EXPECT_NEAR(std::ranges::count(kept, 1), 0.75 * count, 150);
    EXPECT_EQ(dropped(1)[0].bytes, y[0].bytes);
    EXPECT_NE(dropped(2)[0].bytes, y[0].bytes);
}

}  // namespace
}  // namespace accel::test
