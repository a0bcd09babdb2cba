// SPDX-License-Identifier: Apache-2.0
//
// quantize(): opsets, nodes between products, weights of four bits, and the report.
#include <accel/quantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <set>

#include "fixture.hpp"
#include "model_builder.hpp"

namespace accel::test {
namespace {

using Sizes = std::vector<std::int64_t>;

class Quantize : public SdkTest {
  protected:
    std::string random_weights(ModelBuilder& built, const Sizes& dims, float scale) {
        auto& tensor = *built.graph().add_initializer();
        tensor.set_name("w" + std::to_string(built.graph().initializer_size()));
        tensor.set_data_type(onnx::TensorProto::FLOAT);
        tensor.mutable_dims()->Add(dims.begin(), dims.end());
        std::int64_t count = 1;
        for (const std::int64_t dim : dims) {
            count *= dim;
        }
        for (std::int64_t i = 0; i < count; ++i) {
            tensor.add_float_data(scale * value());
        }
        return tensor.name();
    }
    float value() { return static_cast<float>(random_() % 2001) / 1000 - 1; }

    // A convolution of 3x3 that keeps the size of the image, and a Relu.
    std::string conv(ModelBuilder& built, const std::string& x, std::int64_t given,
                     std::int64_t made, const std::string& y) {
        auto& node = built.node("Conv", {x, random_weights(built, {made, given, 3, 3}, 0.3F)},
                                {y + "_conv"}, y);
        auto& pads = attribute(node, "pads");
        pads.set_type(onnx::AttributeProto::INTS);
        for (int i = 0; i < 4; ++i) {
            pads.add_ints(1);
        }
        built.node("Relu", {y + "_conv"}, {y});
        return y;
    }
    static void kernel(onnx::NodeProto& node, std::int64_t side, std::int64_t stride) {
        for (const auto& [name, length] :
             {std::pair("kernel_shape", side), std::pair("strides", stride)}) {
            auto& made = attribute(node, name);
            made.set_type(onnx::AttributeProto::INTS);
            made.add_ints(length);
            made.add_ints(length);
        }
    }

    std::vector<std::vector<TensorData>> runs(const Sizes& shape, int count) {
        std::vector<std::vector<TensorData>> all;
        for (int run = 0; run < count; ++run) {
            TensorData data{DataType::f32, shape, {}};
            std::int64_t elements = 1;
            for (const std::int64_t dim : shape) {
                elements *= dim;
            }
            std::vector<float> values;
            for (std::int64_t i = 0; i < elements; ++i) {
                values.push_back(value());
            }
            const auto bytes = std::as_bytes(std::span(values));
            data.bytes.assign(bytes.begin(), bytes.end());
            all.push_back({std::move(data)});
        }
        return all;
    }

    static onnx::ModelProto read(const std::filesystem::path& file) {
        onnx::ModelProto model;
        std::ifstream in(file, std::ios::binary);
        EXPECT_TRUE(model.ParseFromIstream(&in));
        return model;
    }

    const std::filesystem::path result = std::filesystem::path(MODEL_RESULTS) / "quantize.onnx";

  private:
    std::minstd_rand random_{3};
};

// Attributes of opset 9 that are inputs of opset 13, and a Softmax that flattens its input.
TEST_F(Quantize, ModelsOfOlderOpsetsBecomeOnesOfOpset13) {
    const Device device = open();
    ModelBuilder built(9);
    built.model.set_ir_version(3);
    built.input("x", {1, 4, 8, 8});
    conv(built, "x", 4, 8, "a");
    auto& clip = built.node("Clip", {"a"}, {"b"});
    real(clip, "min", 0);
    real(clip, "max", 2);
    auto& slice = built.node("Slice", {"b"}, {"c"});
    for (const auto& [name, value] : {std::pair("starts", 0), {"ends", 6}, {"axes", 2}}) {
        auto& made = attribute(slice, name);
        made.set_type(onnx::AttributeProto::INTS);
        made.add_ints(value);
    }
    auto& scales = *built.graph().add_initializer();
    scales.set_name("scales");
    scales.set_data_type(onnx::TensorProto::FLOAT);
    scales.add_dims(4);
    for (const float scale : {1.0F, 1.0F, 2.0F, 2.0F}) {
        scales.add_float_data(scale);
    }
    built.node("Upsample", {"c", "scales"}, {"d"});
    conv(built, "d", 8, 4, "e");
    built.node("Softmax", {"e"}, {"y"});
    built.output("y");
    // Weights of old files are inputs, too.
    for (const auto& tensor : built.graph().initializer()) {
        built.input(tensor.name(), {tensor.dims().begin(), tensor.dims().end()});
    }
    const auto report = quantize(device, built.save("old.onnx"), runs({1, 4, 8, 8}, 4), result);
    EXPECT_GT(report.outputs.at(0).signal_to_noise, 25);
    const onnx::ModelProto made = read(result);
    EXPECT_EQ(made.opset_import_size(), 1) << "only operators of ONNX itself";
    EXPECT_EQ(made.opset_import(0).version(), 13);
    EXPECT_GE(made.ir_version(), 7);
    EXPECT_EQ(made.graph().input_size(), 1) << "weights are no inputs";
    std::set<std::string> operators;
    for (const auto& node : made.graph().node()) {
        operators.insert(node.op_type());
        EXPECT_EQ(node.domain(), "");
        for (const auto& one : node.attribute()) {
            EXPECT_NE(one.name(), "starts") << node.op_type();
            EXPECT_NE(one.name(), "min") << node.op_type();
        }
    }
    EXPECT_FALSE(operators.contains("Upsample"));
    EXPECT_TRUE(operators.contains("Flatten")) << "Softmax from its axis on";
}

TEST_F(Quantize, TooOldModelsAreRefused) {
    const Device device = open();
    ModelBuilder built(6);
    built.input("x", {1, 4, 8, 8});
    conv(built, "x", 4, 8, "y");
    built.output("y");
    expect_says(error_of([&] {
                    static_cast<void>(
                        quantize(device, built.save("old.onnx"), runs({1, 4, 8, 8}, 1), result));
                }),
                "opset 6", "opset 7 or newer");
}

// Two branches, a pool and a join between convolutions: only the picture is quantized by itself.
TEST_F(Quantize, NodesBetweenProductsWorkOnBytes) {
    const Device device = open();
    ModelBuilder built(13);
    built.input("x", {1, 4, 16, 16});
    conv(built, "x", 4, 8, "a");
    kernel(built.node("MaxPool", {"a"}, {"b"}, "pool"), 2, 2);
    conv(built, "b", 8, 8, "c");
    conv(built, "b", 8, 8, "d");
    integer(built.node("Concat", {"c", "d"}, {"e"}, "join"), "axis", 1);
    conv(built, "e", 16, 8, "f");
    built.node("Add", {"f_conv", "b"}, {"g"}, "sum");
    built.node("Relu", {"g"}, {"h"});
    conv(built, "h", 8, 4, "y");
    built.output("y");
    const auto file = built.save("between.onnx");
    const auto report = quantize(device, file, runs({1, 4, 16, 16}, 4), result);
    std::vector<std::string> names;
    for (const QuantizedNode& node : report.nodes) {
        names.push_back(node.node);
        EXPECT_EQ(node.reason, "") << node.node;
        EXPECT_GT(node.signal_to_noise, 25) << node.node;
    }
    EXPECT_EQ(names, (std::vector<std::string>{"a", "pool", "c", "d", "join", "f", "sum", "y"}));
    EXPECT_GT(report.outputs.at(0).signal_to_noise, 25);
    const Model net = Model::load(device, result);
    const auto count = [&](const char* node) {
        return std::ranges::count_if(net.commands(), [&](const ModelCommand& command) {
            return command.node.ends_with(" " + std::string(node));
        });
    };
    EXPECT_EQ(count("pool"), 1) << "MaxPool is one command";
    EXPECT_LE(count("join"), 2) << "Concat copies its two inputs";
    std::size_t elementwise = 0;
    for (const ModelCommand& command : net.commands()) {
        elementwise += command.command == "ELEMENTWISE" ? 1 : 0;
    }
    // Two for the picture, and four for the sum.
    EXPECT_LE(elementwise, 6U);
}

TEST_F(Quantize, WeightsOfMatMulMayHaveFourBits) {
    const Device device = open();
    ModelBuilder built(13);
    built.input("x", {1, 8, 128});
    built.node("MatMul", {"x", random_weights(built, {128, 96}, 0.2F)}, {"a"}, "first");
    built.node("Relu", {"a"}, {"b"});
    // 96 is no multiple of the blocks of 64, and 40 rows are none of 32.
    built.node("MatMul", {"b", random_weights(built, {96, 40}, 0.2F)}, {"c"}, "second");
    built.node("MatMul", {"c", random_weights(built, {40, 64}, 0.2F)}, {"y"}, "third");
    built.output("y");
    const auto file = built.save("products.onnx");
    const auto report =
        quantize(device, file, runs({1, 8, 128}, 3), result, {.weights = WeightFormat::i4});
    EXPECT_GT(report.outputs.at(0).signal_to_noise, 12);
    for (const QuantizedNode& node : report.nodes) {
        EXPECT_GT(node.signal_to_noise, 12) << node.node;
    }
    const onnx::ModelProto made = read(result);
    for (const auto& node : made.graph().node()) {
        EXPECT_TRUE(node.op_type() == "MatMulNBits" || node.op_type() == "Relu") << node.op_type();
    }
    const Model before = Model::load(device, file);
    const Model after = Model::load(device, result);
    EXPECT_LT(after.memory().weights, before.memory().weights / 5) << "weights are packed";
}

}  // namespace
}  // namespace accel::test
