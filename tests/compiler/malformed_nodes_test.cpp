// SPDX-License-Identifier: Apache-2.0
//
// Nodes whose attributes or data types are not those of their operator: the compiler refuses them
// by name, instead of a result that ignores the attribute.
#include <limits>

#include "one_node.hpp"

namespace accel::test {
namespace {

using Inputs = std::vector<TensorData>;
using Attributes = std::vector<onnx::AttributeProto>;

class MalformedNodes : public OneNode {
  protected:
    const TensorData matrix = floats({2, 2}, {1, 2, 3, 4});
    const TensorData image = floats({1, 1, 2, 2}, {1, 2, 3, 4});

    std::string refusal(const char* op, const Inputs& inputs, const Attributes& attributes = {}) {
        const Error error = error_of([&] { run(op, inputs, attributes); });
        EXPECT_EQ(error.errc(), std::errc::invalid_argument) << op;
        return error.what();
    }
};

onnx::AttributeProto of_type(onnx::AttributeProto a, onnx::AttributeProto::AttributeType type) {
    a.set_type(type);
    return a;
}

TEST_F(MalformedNodes, AttributesOfAnotherTypeAreRefusedByName) {
    opset = 17;
    using ::testing::HasSubstr;
    const auto expect = [&](const char* op, const Inputs& inputs, const onnx::AttributeProto& a,
                            const char* given, const char* wanted) {
        const std::string text = refusal(op, inputs, {a});
        EXPECT_THAT(text, HasSubstr("one.onnx: " + std::string(op) + " (output 'y0')"));
        EXPECT_THAT(text, HasSubstr("its attribute '" + a.name() + "' has the type " + given +
                                    ", not " + wanted));
        EXPECT_THAT(text, HasSubstr("onnx.checker"));
    };
    expect("Softmax", {matrix}, real_attribute("axis", 0), "FLOAT", "INT");
    expect("Elu", {matrix}, attribute("alpha", 2), "INT", "FLOAT");
    expect("Transpose", {matrix}, attribute("perm", 1), "INT", "INTS");
    expect("LpPool", {image}, list_attribute("p", {2}), "INTS", "INT");
    expect("DepthToSpace", {image}, attribute("blocksize", std::string("2")), "STRING", "INT");
    expect("GridSample", {image, floats({1, 1, 1, 2}, {0, 0})}, attribute("mode", 1), "INT",
           "STRING");
    constants = {0};
    expect("ConstantOfShape", {integers({1}, {2})}, real_attribute("value", 1), "FLOAT", "TENSOR");
}

TEST_F(MalformedNodes, AListWithoutElementsHasNoType) {
    opset = 11;
    const auto empty = of_type(list_attribute("axes", {}), onnx::AttributeProto::FLOATS);
    EXPECT_EQ(values<float>(run("ReduceSum", {matrix}, {empty}).at(0)), std::vector<float>{10});
}

TEST_F(MalformedNodes, AnAttributeOfAnOldFileHasTheTypeOfItsValue) {
    opset = 11;
    const auto untyped = of_type(attribute("axis", 1), onnx::AttributeProto::UNDEFINED);
    EXPECT_EQ(values<std::int64_t>(run("ArgMax", {matrix}, {untyped}).at(0)),
              (std::vector<std::int64_t>{1, 1}));
    const auto real = of_type(real_attribute("axis", 1), onnx::AttributeProto::UNDEFINED);
    EXPECT_THAT(refusal("ArgMax", {matrix}, {real}), ::testing::HasSubstr("type FLOAT, not INT"));
}

TEST_F(MalformedNodes, RequiredAttributesMustBeThere) {
    opset = 17;
    const auto expect = [&](const char* op, const Inputs& inputs, const char* name) {
        EXPECT_THAT(refusal(op, inputs),
                    ::testing::HasSubstr("its attribute '" + std::string(name) + "' is missing"))
            << op;
    };
    const TensorData tokens = floats({1, 2, 2}, {1, 2, 3, 4});
    expect("Cast", {matrix}, "to");
    expect("Concat", {matrix, matrix}, "axis");
    expect("DepthToSpace", {image}, "blocksize");
    expect("SpaceToDepth", {image}, "blocksize");
    expect("Einsum", {matrix}, "equation");
    expect("LRN", {image}, "size");
    expect("BitShift", {integers({1}, {1}), integers({1}, {1})}, "direction");
    expect("com.microsoft.MultiHeadAttention", {tokens, tokens, tokens}, "num_heads");
    opset = 9;
    expect("TopK", {matrix}, "k");
}

TEST_F(MalformedNodes, AttributesMustHaveAKnownValue) {
    opset = 20;
    const TensorData kernel = floats({1, 1, 1, 1}, {1});
    const auto expect = [&](const char* op, const Inputs& inputs, const Attributes& attributes,
                            const char* text) {
        EXPECT_THAT(refusal(op, inputs, attributes), ::testing::HasSubstr(text)) << op;
    };
    const std::string other = "OTHER";
    expect("Conv", {image, kernel}, {attribute("auto_pad", other)}, "auto_pad is 'OTHER'");
    expect("ConvTranspose", {image, kernel}, {attribute("auto_pad", other)}, "auto_pad is 'OTHER'");
    expect("Conv", {image, kernel}, {list_attribute("kernel_shape", {2, 2})},
           "its kernel_shape is [2,2], and its weights have the shape [1,1,1,1]");
    expect("Gelu", {matrix}, {attribute("approximate", other)}, "'approximate' is 'OTHER'");
    expect("BitShift", {integers({1}, {1}), integers({1}, {1})}, {attribute("direction", other)},
           "'direction' is 'OTHER'");
    const Inputs recurrence{floats({1, 1, 1}, {1}), floats({1, 1, 1}, {1}), floats({1, 1, 1}, {1})};
    expect("RNN", recurrence, {attribute("direction", other)}, "'direction' is 'OTHER'");
    expect("RNN", recurrence, {attribute("hidden_size", 2)}, "its hidden_size is 2");
}

// The engine would stop the queue at such a command.
TEST_F(MalformedNodes, OperationsOfOtherNumbersAreRefusedWhenTheModelIsLoaded) {
    opset = 18;
    const auto expect = [&](const char* op, const Inputs& inputs) {
        const std::string text = refusal(op, inputs);
        EXPECT_THAT(text, ::testing::HasSubstr("its operand is ")) << op;
        EXPECT_THAT(text, ::testing::HasSubstr("cast the operand to")) << op;
    };
    const TensorData whole = integers({2}, {1, 2});
    for (const std::vector<std::size_t>& known : {std::vector<std::size_t>{}, {0, 1}}) {
        constants = known;
        expect("Exp", {whole});
        expect("Sqrt", {whole});
        expect("Sigmoid", {whole});
        expect("BitwiseAnd", {matrix, matrix});
        expect("BitwiseOr", {matrix, matrix});
    }
}

TEST_F(MalformedNodes, ErrorsOfACommandNameItsNode) {
    const TensorData bytes = tensor<std::uint8_t>(DataType::u8, {2, 2}, {1, 2, 3, 4});
    EXPECT_THAT(refusal("MatMul", {matrix, bytes}), ::testing::HasSubstr("MatMul"));
}

TEST_F(MalformedNodes, PartsOfASplitMustCoverTheAxis) {
    constants = {1};
    const TensorData line = floats({4}, {1, 2, 3, 4});
    const auto split = [&](const Inputs& inputs, int outputs) {
        return std::string(error_of([&] { run("Split", inputs, {}, outputs); }).what());
    };
    EXPECT_THAT(split({line, integers({2}, {1, 2})}, 2),
                ::testing::HasSubstr("3 elements together, and its axis has 4"));
    EXPECT_THAT(split({line}, 3), ::testing::HasSubstr("has no 3 equal parts"));
    opset = 18;
    EXPECT_EQ(values<float>(run("Split", {line}, {attribute("num_outputs", 3)}, 3).at(1)),
              (std::vector<float>{3, 4}));
}

}  // namespace
}  // namespace accel::test
