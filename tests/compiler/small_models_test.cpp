// SPDX-License-Identifier: Apache-2.0
//
// Small models whose edges other importers get wrong. Each runs on the card, folded, and behind
// nodes of the host, with the same bits.
#include <cmath>
#include <limits>
#include <span>

#include "frontend/functions.hpp"
#include "frontend/onnx_file.hpp"
#include "model_builder.hpp"
#include "one_node.hpp"
#include "three_ways.hpp"

namespace accel::test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN();
constexpr double exact = 0;

class SmallModels : public SdkTest {
  protected:
    // `inputs` are those of the model, in its order. `expected` are the values of one output.
    void expect(const ModelBuilder& built, const std::vector<TensorData>& inputs,
                const std::vector<float>& expected, double tolerance = exact,
                std::size_t output = 0) {
        Case one{"small.onnx", built.model, {}, inputs};
        compiler::inline_functions(one.model);  // as when a file is read
        for (const auto& input : built.model.graph().input()) {
            one.ports.push_back(compiler::describe_tensor(input));
        }
        const Device device = open();
        Queue queue = device.create_queue();
        const Result card = run_on_card(device, queue, one);
        ASSERT_EQ(card.error, "");
        const TensorData& result = card.outputs.at(output);
        compiler::Tensor tensor(result.type, result.shape);
        tensor.data = result.bytes;
        const std::vector<float> got = tensor.floats();
        ASSERT_EQ(got.size(), expected.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
            const bool same = got[i] == expected[i] ||
                              (std::isnan(expected[i]) && std::isnan(got[i])) ||
                              std::fabs(got[i] - expected[i]) <= tolerance * std::fabs(expected[i]);
            EXPECT_TRUE(same) << "element " << i << " is " << got[i] << ", not " << expected[i];
        }
        EXPECT_EQ(difference(card, run_folded(device, queue, one)), "") << "folded";
        if (fits_host(one)) {
            EXPECT_EQ(difference(card, run_on_host(device, queue, one)), "") << "on the host";
        }
    }

    // A model of one node, whose inputs are x0, x1 and so on.
    static ModelBuilder node(std::int64_t opset, const char* op,
                             const std::vector<TensorData>& inputs,
                             const std::vector<onnx::AttributeProto>& attributes = {},
                             int outputs = 1) {
        ModelBuilder built(opset);
        std::vector<std::string> from;
        std::vector<std::string> to;
        for (const TensorData& input : inputs) {
            from.push_back("x" + std::to_string(from.size()));
            built.input(from.back(), {input.shape.begin(), input.shape.end()},
                        compiler::onnx_type_of(input.type));
        }
        for (int i = 0; i < outputs; ++i) {
            to.push_back("y" + std::to_string(i));
            built.output(to.back());
        }
        onnx::NodeProto& made = built.node(op, from, to);
        for (const auto& one : attributes) {
            *made.add_attribute() = one;
        }
        return built;
    }

    void expect_node(std::int64_t opset, const char* op, const std::vector<TensorData>& inputs,
                     const std::vector<float>& expected,
                     const std::vector<onnx::AttributeProto>& attributes = {},
                     double tolerance = exact) {
        expect(node(opset, op, inputs, attributes), inputs, expected, tolerance);
    }
};

void weights(ModelBuilder& built, const std::string& name, const TensorData& data) {
    onnx::TensorProto& made = *built.graph().add_initializer();
    made.set_name(name);
    made.set_data_type(compiler::onnx_type_of(data.type));
    made.mutable_dims()->Add(data.shape.begin(), data.shape.end());
    made.set_raw_data(data.bytes.data(), data.bytes.size());
}

// Numbers between -1 and 1.
TensorData waves(const Sizes& shape, double step) {
    std::vector<float> numbers(static_cast<std::size_t>(compiler::elements(shape)));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] = static_cast<float>(std::sin(static_cast<double>(i) * step + step));
    }
    return floats(shape, numbers);
}

// The product of matrices, m x k and k x n.
std::vector<double> product(const std::vector<double>& a, const std::vector<double>& b,
                            std::size_t k, std::size_t n) {
    std::vector<double> c(a.size() / k * n);
    for (std::size_t i = 0; i < c.size(); ++i) {
        for (std::size_t j = 0; j < k; ++j) {
            c[i] += a[i / n * k + j] * b[j * n + i % n];
        }
    }
    return c;
}
std::vector<double> wide(const TensorData& data) {
    const auto numbers = values<float>(data);
    return {numbers.begin(), numbers.end()};
}
std::vector<float> narrow(const std::vector<double>& numbers) {
    return {numbers.begin(), numbers.end()};
}

TEST_F(SmallModels, LogarithmsOfLargeNumbersStayFinite) {
    expect_node(17, "Asinh", {floats({1}, {2e19F})}, {45.13541F}, {}, 1e-6);
    expect_node(17, "Acosh", {floats({1}, {2e19F})}, {45.13541F}, {}, 1e-6);
    expect_node(17, "Asinh", {floats({1}, {1e-6F})}, {1e-6F}, {}, 1e-6);
    expect_node(17, "Atanh", {floats({1}, {1e-6F})}, {1e-6F}, {}, 1e-6);
    expect_node(17, "Softplus", {floats({1}, {-20})}, {2.0611537e-9F}, {}, 1e-6);
}

TEST_F(SmallModels, AnOddPaddingOfConvTransposeIsLargerAtTheBeginning) {
    expect_node(11, "ConvTranspose", {floats({1, 1, 2}, {1, 10}), floats({1, 1, 3}, {1, 2, 3})},
                {2, 13, 20, 30},
                {list_attribute("output_shape", {4}), list_attribute("strides", {2})});
}

TEST_F(SmallModels, AFunctionOfTheModelIsInlined) {
    ModelBuilder built(17);
    built.import("own", 1);
    auto& made = *built.model.add_functions();
    made.set_name("Leak");
    made.set_domain("own");
    made.add_input("a");
    made.add_input("b");
    made.add_output("c");
    made.add_opset_import()->set_version(17);
    ModelBuilder::fill(*made.add_node(), "Mul", {"a", "b"}, {"t"});
    ModelBuilder::fill(*made.add_node(), "LeakyRelu", {"t"}, {"c"});
    weights(built, "k", floats({3}, {-0.5F, 1, 2}));
    built.input("x", {3});
    built.node("own.Leak", {"x", "k"}, {"t"});
    built.node("own.Leak", {"t", "x"}, {"y"});
    built.output("y");
    expect(built, {floats({3}, {2, 3, -4})}, {-0.0002F, 9, 0.32F}, 1e-5);
}

TEST_F(SmallModels, AVectorOfZerosIsNormalizedToZeros) {
    for (const std::int64_t p : {1, 2}) {
        expect_node(17, "LpNormalization", {floats({1, 2}, {0, 0})}, {0, 0}, {attribute("p", p)});
    }
}

TEST_F(SmallModels, MaxAndMinGiveTheNaNOfEitherOperand) {
    for (const char* const op : {"Max", "Min"}) {
        expect_node(13, op, {floats({2}, {1, nan}), floats({2}, {nan, 1})}, {nan, nan});
    }
}

// The decision is on a product, which the host does not compute, so it can only be that of the
// card.
TEST_F(SmallModels, ANodeBehindOneDecisionOfTheRun) {
    const TensorData x = waves({12, 16}, 0.7);
    const TensorData w1 = waves({16, 8}, 1.3);
    const TensorData w2 = waves({8, 8}, 2.1);
    const std::vector<double> a = product(wide(x), wide(w1), 16, 8);
    std::vector<double> highest_values;
    for (auto row = a.begin(); row != a.end(); row += 8) {
        highest_values.push_back(*std::max_element(row, row + 8));
    }
    std::ranges::sort(highest_values);
    const double threshold = (highest_values[5] + highest_values[6]) / 2;
    ModelBuilder built(17);
    built.input("x", {12, 16});
    weights(built, "w1", w1);
    weights(built, "w2", w2);
    weights(built, "z", floats({}, {static_cast<float>(threshold)}));
    built.node("MatMul", {"x", "w1"}, {"a"});
    auto& highest = built.node("ReduceMax", {"a"}, {"highest"});
    *highest.add_attribute() = list_attribute("axes", {1});
    integer(highest, "keepdims", 0);
    built.node("Greater", {"highest", "z"}, {"kept"});
    integer(built.node("Compress", {"a", "kept"}, {"b"}), "axis", 0);
    built.node("MatMul", {"b", "w2"}, {"y"});
    built.output("y");
    std::vector<double> kept;
    for (auto row = a.begin(); row != a.end(); row += 8) {
        if (*std::max_element(row, row + 8) > threshold) {
            kept.insert(kept.end(), row, row + 8);
        }
    }
    ASSERT_EQ(kept.size(), a.size() / 2);
    const std::vector<float> expected = narrow(product(kept, wide(w2), 8, 8));
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net = compiler::compile(
        device, compiler::import_onnx(built.model, "one.onnx", {.host_fallback = true}));
    const auto got = values<float>(net.run(queue, std::vector{x})[0]);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], expected[i], 1e-5) << i;
    }
}

TEST_F(SmallModels, AnIndexOutsideTheDepthHasNoClass) {
    ModelBuilder built(11);
    built.input("i", {4}, onnx::TensorProto::INT64);
    weights(built, "depth", integers({}, {4}));
    weights(built, "off_on", floats({2}, {0, 1}));
    built.node("OneHot", {"i", "depth", "off_on"}, {"y"});
    built.output("y");
    expect(built, {integers({4}, {4, -5, -1, 0})},
           {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0});
}

TEST_F(SmallModels, PadCutsBeforeItWraps) {
    ModelBuilder built(19);
    built.input("x", {4});
    weights(built, "pads", integers({2}, {3, -1}));
    *built.node("Pad", {"x", "pads"}, {"y"}).add_attribute() = attribute("mode", "wrap");
    built.output("y");
    expect(built, {floats({4}, {0, 1, 2, 3})}, {0, 1, 2, 0, 1, 2});
}

TEST_F(SmallModels, AnAxisWithoutElementsIsReduced) {
    const TensorData none = floats({2, 0, 3}, {});
    expect_node(11, "ReduceSum", {none}, std::vector<float>(6, 0.0F),
                {list_attribute("axes", {1})});
    expect_node(11, "ReduceProd", {none}, std::vector<float>(6, 1.0F),
                {list_attribute("axes", {1})});
    constexpr float infinite = std::numeric_limits<float>::infinity();
    expect_node(11, "ReduceMax", {none}, std::vector<float>(6, -infinite),
                {list_attribute("axes", {1})});
    expect_node(11, "ReduceLogSum", {none}, std::vector<float>(6, -infinite),
                {list_attribute("axes", {1})});
}

TEST_F(SmallModels, ResizeOfOpset10RoundsUpWhereAnAxisBecomesShorter) {
    ModelBuilder built(10);
    built.input("x", {1, 1, 4, 1});
    weights(built, "scales", floats({4}, {1, 1, 0.6F, 1}));
    *built.node("Resize", {"x", "scales"}, {"y"}).add_attribute() = attribute("mode", "nearest");
    built.output("y");
    expect(built, {floats({1, 1, 4, 1}, {0, 1, 2, 3})}, {0, 2});
}

TEST_F(SmallModels, ARunBringsTheIndicesOfASumOverNeighbors) {
    ModelBuilder built(18);
    built.input("x", {6, 2});
    built.input("i", {6, 2}, onnx::TensorProto::INT64);
    weights(built, "zero", floats({5, 2}, std::vector<float>(10)));
    weights(built, "w", floats({2, 2}, {1, 2, -3, 4}));
    auto& sum = built.node("ScatterElements", {"zero", "i", "x"}, {"s"});
    integer(sum, "axis", 0);
    *sum.add_attribute() = attribute("reduction", "add");
    built.node("Relu", {"s"}, {"q"});
    built.node("MatMul", {"q", "w"}, {"y"});
    built.output("y");
    expect(built,
           {floats({6, 2}, {1, 2, 3, -4, 5, 6, -7, 8, 0.5F, 0.25F, 10, -1}),
            integers({6, 2}, {0, 1, 0, 0, 3, 3, 3, 1, 4, 4, -1, 2})},
           {4, 8, -30, 40, 0, 0, -18, 24, 9.75F, 22});
}

TEST_F(SmallModels, ManyNodesShareAWeight) {
    const TensorData x = waves({2, 64}, 0.3);
    TensorData w = waves({64, 64}, 0.9);
    std::vector<float> small = values<float>(w);
    for (float& one : small) {
        one *= 0.25F;
    }
    w = floats({64, 64}, small);
    ModelBuilder built(18);
    built.input("x", {2, 64});
    weights(built, "w", w);
    std::vector<double> transposed(std::size_t{64} * 64);
    for (std::size_t i = 0; i < transposed.size(); ++i) {
        transposed[i] = static_cast<double>(small[i % 64 * 64 + i / 64]);
    }
    std::vector<double> expected = wide(x);
    std::string last = "x";
    for (int i = 0; i < 20; ++i) {
        const std::string name = std::to_string(i);
        integer(built.node("Gemm", {last, "w"}, {"g" + name}), "transB", 1);
        last = "t" + name;
        built.node("Tanh", {"g" + name}, {last});
        expected = product(expected, transposed, 64, 64);
        std::ranges::transform(expected, expected.begin(), [](double v) { return std::tanh(v); });
    }
    built.output(last);
    expect(built, {x}, narrow(expected), 1e-3);
}

TEST_F(SmallModels, TheSignOfAConstantNaNIsNaN) {
    ModelBuilder built(17);
    built.input("x", {1});
    weights(built, "c", floats({1}, {nan}));
    built.node("Sign", {"c"}, {"s"});
    built.node("Add", {"s", "x"}, {"y"});
    built.output("y");
    expect(built, {floats({1}, {0})}, {nan});
}

TEST_F(SmallModels, ALongSoftmaxKeepsItsDigits) {
    constexpr std::size_t length = 18710;
    std::vector<float> x(length, -16.5F);
    x[0] = 0;
    const double rest = std::exp(-16.5);
    const double sum = 1 + static_cast<double>(length - 1) * rest;
    std::vector<float> expected(length, static_cast<float>(rest / sum));
    expected[0] = static_cast<float>(1 / sum);
    expect_node(18, "Softmax", {floats({1, length}, x)}, expected, {attribute("axis", -1)}, 1e-6);
}

TEST_F(SmallModels, ANaNIsLastInAnOrder) {
    ModelBuilder built(11);
    built.input("x", {4});
    weights(built, "k", integers({1}, {2}));
    integer(built.node("TopK", {"x", "k"}, {"v", "i"}), "largest", 0);
    built.output("v");
    built.output("i");
    const TensorData x = floats({4}, {1, nan, 0, 5});
    expect(built, {x}, {0, 1});
    expect(built, {x}, {2, 0}, exact, 1);
}

}  // namespace
}  // namespace accel::test
