// SPDX-License-Identifier: Apache-2.0
//
// Layers between DequantizeLinear and QuantizeLinear, compared with their definition in f64: one
// int8 command, whose result is within one quantization step.
#include <onnx.pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "fixture.hpp"
#include "frontend/onnx_import.hpp"
#include "runtime/compile.hpp"

namespace accel::test {
namespace {

using Sizes = std::vector<std::int64_t>;

// [4, 6] times [6, 5], or a 3x3 convolution of [1, 6, 5, 5] to 4 channels in two groups.
struct Layer {
    bool conv = false;
    const char* activation = "";  // Relu, Clip to -1 .. 2, Sigmoid, or empty
    bool per_channel = true;
    bool bias = true;
    bool quantized = true;  // with a QuantizeLinear behind it
};

void PrintTo(const Layer& layer, std::ostream* out) {
    *out << (layer.conv ? "Conv " : "MatMul ") << layer.activation
         << (layer.per_channel ? " per channel" : "") << (layer.bias ? " bias" : "")
         << (layer.quantized ? " to u8" : " to f32");
}

class QuantizedLayer : public SdkTest, public ::testing::WithParamInterface<Layer> {
  protected:
    static constexpr float x_scale = 0.02F;
    static constexpr int x_zero = 117;
    static constexpr float y_scale = 0.03F;
    static constexpr int y_zero = 90;

    const Layer layer = GetParam();
    const std::int64_t channels = layer.conv ? 4 : 5;
    const Sizes x_dims = layer.conv ? Sizes{1, 6, 5, 5} : Sizes{4, 6};
    const Sizes w_dims = layer.conv ? Sizes{4, 3, 3, 3} : Sizes{6, 5};
    const Sizes y_dims = layer.conv ? Sizes{1, 4, 5, 5} : Sizes{4, 5};
    std::vector<std::uint8_t> x = random_bytes<std::uint8_t>(x_dims);
    std::vector<std::int8_t> w = random_bytes<std::int8_t>(w_dims);
    std::vector<std::int32_t> b{100, -2000, 4000, 0, 777};
    std::vector<float> w_scale{0.01F, 0.004F, 0.02F, 0.008F, 0.013F};

    template <typename T>
    std::vector<T> random_bytes(const Sizes& dims) {
        std::vector<T> values;
        for (std::int64_t i = 0; i < compiler::elements(dims); ++i) {
            values.push_back(static_cast<T>(random_()));
        }
        return values;
    }

    template <typename T>
    void weights(const char* name, int type, const Sizes& dims, const std::vector<T>& values) {
        auto& tensor = *graph_.add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(type);
        tensor.mutable_dims()->Add(dims.begin(), dims.end());
        tensor.set_raw_data(values.data(),
                            static_cast<std::size_t>(compiler::elements(dims)) * sizeof(T));
    }

    onnx::NodeProto& node(const char* op, std::initializer_list<const char*> inputs,
                          const char* output) {
        auto& made = *graph_.add_node();
        made.set_op_type(op);
        for (const char* input : inputs) {
            made.add_input(input);
        }
        made.add_output(output);
        return made;
    }
    static void attribute(onnx::NodeProto& node, const char* name, const Sizes& values, bool list) {
        auto& made = *node.add_attribute();
        made.set_name(name);
        made.set_type(list ? onnx::AttributeProto::INTS : onnx::AttributeProto::INT);
        if (list) {
            made.mutable_ints()->Add(values.begin(), values.end());
        } else {
            made.set_i(values[0]);
        }
    }

    // The shape of the scales: [n] with one for each channel.
    Sizes scales() const { return layer.per_channel ? Sizes{channels} : Sizes{}; }

    onnx::ModelProto build() {
        model_.add_opset_import()->set_version(13);
        auto& input = *graph_.add_input();
        input.set_name("x");
        auto& type = *input.mutable_type()->mutable_tensor_type();
        type.set_elem_type(onnx::TensorProto::UINT8);
        for (const std::int64_t n : x_dims) {
            type.mutable_shape()->add_dim()->set_dim_value(n);
        }
        using Proto = onnx::TensorProto;
        weights("x_scale", Proto::FLOAT, {}, std::vector<float>{x_scale});
        weights("x_zero", Proto::UINT8, {}, std::vector<std::uint8_t>{x_zero});
        weights("w", Proto::INT8, w_dims, w);
        weights("w_scale", Proto::FLOAT, scales(), w_scale);
        weights("y_scale", Proto::FLOAT, {}, std::vector<float>{y_scale});
        weights("y_zero", Proto::UINT8, {}, std::vector<std::uint8_t>{y_zero});
        weights("low", Proto::FLOAT, {}, std::vector<float>{-1});
        weights("high", Proto::FLOAT, {}, std::vector<float>{2});
        node("DequantizeLinear", {"x", "x_scale", "x_zero"}, "xf");
        attribute(node("DequantizeLinear", {"w", "w_scale"}, "wf"), "axis", {layer.conv ? 0 : 1},
                  false);
        const char* last = "p";
        if (layer.bias) {
            std::vector<float> both;
            for (std::size_t c = 0; c < w_scale.size(); ++c) {
                both.push_back(x_scale * w_scale[layer.per_channel ? c : 0]);
            }
            weights("b", Proto::INT32, {channels}, b);
            weights("b_scale", Proto::FLOAT, {channels}, both);
            attribute(node("DequantizeLinear", {"b", "b_scale"}, "bf"), "axis", {0}, false);
        }
        if (layer.conv) {
            auto& conv = layer.bias ? node("Conv", {"xf", "wf", "bf"}, "p")
                                    : node("Conv", {"xf", "wf"}, "p");
            attribute(conv, "group", {2}, false);
            attribute(conv, "pads", {1, 1, 1, 1}, true);
        } else {
            node("MatMul", {"xf", "wf"}, "p");
            if (layer.bias) {
                node("Add", {"bf", "p"}, "s");
                last = "s";
            }
        }
        if (std::string(layer.activation) == "Clip") {
            node("Clip", {last, "low", "high"}, "a");
            last = "a";
        } else if (*layer.activation != 0) {
            node(layer.activation, {last}, "a");
            last = "a";
        }
        if (layer.quantized) {
            node("QuantizeLinear", {last, "y_scale", "y_zero"}, "y");
            last = "y";
        }
        graph_.add_output()->set_name(last);
        return model_;
    }

    [[nodiscard]] double activated(double v) const {
        const std::string name = layer.activation;
        return name == "Relu"      ? std::max(v, 0.0)
               : name == "Clip"    ? std::clamp(v, -1.0, 2.0)
               : name == "Sigmoid" ? 1 / (1 + std::exp(-v))
                                   : v;
    }

    // Element i of the result, before it is quantized.
    [[nodiscard]] double expected(std::size_t i) const {
        std::int64_t sum = 0;
        std::size_t c = 0;
        const auto product = [&](std::size_t at, std::size_t weight) {
            sum += std::int64_t{x[at] - x_zero} * w[weight];
        };
        if (layer.conv) {
            c = i / 25;
            const auto row = static_cast<int>(i / 5 % 5);
            const auto column = static_cast<int>(i % 5);
            for (std::size_t k = 0; k < 27; ++k) {
                const int y = row + static_cast<int>(k / 3 % 3) - 1;
                const int at = column + static_cast<int>(k % 3) - 1;
                if (y >= 0 && y < 5 && at >= 0 && at < 5) {
                    product((c / 2 * 3 + k / 9) * 25 + static_cast<std::size_t>(y * 5 + at),
                            c * 27 + k);
                }
            }
        } else {
            c = i % 5;
            for (std::size_t k = 0; k < 6; ++k) {
                product(i / 5 * 6 + k, k * 5 + c);
            }
        }
        sum += layer.bias ? b[c] : 0;
        return activated(static_cast<double>(sum) * x_scale * w_scale[layer.per_channel ? c : 0]);
    }

  private:
    onnx::ModelProto model_;
    onnx::GraphProto& graph_ = *model_.mutable_graph();
    std::minstd_rand random_{7};
};

TEST_P(QuantizedLayer, IsOneCommandAndWithinAStepOfItsDefinition) {
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net = compiler::compile(device, compiler::import_onnx(build(), "layer", {}));
    TensorData in{DataType::u8, x_dims, {}};
    std::ranges::transform(x, std::back_inserter(in.bytes),
                           [](std::uint8_t v) { return std::byte(v); });
    const auto out = net.run(queue, std::vector{in}).at(0);
    ASSERT_EQ(out.type, layer.quantized ? DataType::u8 : DataType::f32);
    const auto* const floats = reinterpret_cast<const float*>(out.bytes.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(compiler::elements(y_dims)); ++i) {
        if (layer.quantized) {
            const double steps = std::clamp(expected(i) / y_scale + y_zero, 0.0, 255.0);
            EXPECT_NEAR(static_cast<double>(out.bytes[i]), steps, 0.501) << i;
        } else {
            EXPECT_NEAR(floats[i], expected(i), 1e-5 * (1 + std::fabs(expected(i)))) << i;
        }
    }
    const char* const engine = layer.conv ? "CONV2D" : "GEMM";
    const auto commands = net.commands();
    EXPECT_EQ(std::ranges::count(commands, engine, &ModelCommand::command), 1);
    // Only a sigmoid before QuantizeLinear needs a command of its own. Other commands copy images
    // to the layout of the engine and back.
    if (!(layer.quantized && std::string(layer.activation) == "Sigmoid")) {
        EXPECT_EQ(std::ranges::count(commands, "ELEMENTWISE", &ModelCommand::command), 0);
    }
}

INSTANTIATE_TEST_SUITE_P(
    All, QuantizedLayer,
    ::testing::Values(Layer{}, Layer{.activation = "Relu"}, Layer{.activation = "Clip"},
                      Layer{.activation = "Sigmoid"}, Layer{.per_channel = false},
                      Layer{.activation = "Relu", .quantized = false}, Layer{.bias = false},
                      Layer{.conv = true}, Layer{.conv = true, .activation = "Relu"},
                      Layer{.conv = true, .activation = "Sigmoid", .quantized = false},
                      Layer{.conv = true, .activation = "Clip", .per_channel = false},
                      Layer{.conv = true, .bias = false}));

}  // namespace
}  // namespace accel::test
