// SPDX-License-Identifier: Apache-2.0
//
// Floats of 8 and 4 bits and integers of 4 and 2 bits in models: conversions, quantization in
// blocks, and weights that lie on the card in a few bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "fixture.hpp"
#include "frontend/onnx_import.hpp"
#include "frontend/onnx_tensor.hpp"
#include "model_builder.hpp"
#include "runtime/compile.hpp"

namespace accel::test {
namespace {

using Sizes = std::vector<std::int64_t>;
using Proto = onnx::TensorProto;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr int int4 = 22;  // a number that the description of Debian 12 does not have

std::vector<float> floats_of(const TensorData& data) {
    std::vector<float> values(data.bytes.size() / sizeof(float));
    std::memcpy(values.data(), data.bytes.data(), data.bytes.size());
    return values;
}
std::vector<int> bytes_of(const TensorData& data) {
    std::vector<int> values;
    for (const std::byte byte : data.bytes) {
        values.push_back(std::to_integer<int>(byte));
    }
    return values;
}
TensorData floats(Sizes shape, const std::vector<float>& values) {
    TensorData data{DataType::f32, std::move(shape), {}};
    const auto bytes = std::as_bytes(std::span(values));
    data.bytes.assign(bytes.begin(), bytes.end());
    return data;
}

void weights(ModelBuilder& model, const std::string& name, int type, const Sizes& dims,
             std::span<const std::byte> raw) {
    auto& tensor = *model.graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    tensor.mutable_dims()->Add(dims.begin(), dims.end());
    tensor.set_raw_data(raw.data(), raw.size());
}
void float_weights(ModelBuilder& model, const std::string& name, const Sizes& dims,
                   const std::vector<float>& values) {
    weights(model, name, Proto::FLOAT, dims, std::as_bytes(std::span(values)));
}

class SmallTypes : public SdkTest {
  protected:
    // The output of a model for the input "x", on the card; the same with a known input.
    TensorData run(const ModelBuilder& built, const TensorData& x) {
        const Model net = compiler::compile(device, compiler::import_onnx(built.model, "m", {}));
        TensorData out = net.run(queue, std::vector{x}).at(0);
        const Model folded = compiler::compile(
            device, compiler::import_onnx(built.model, "m", {.constant_inputs = {{"x", x}}}));
        const TensorData again = folded.run(queue, std::span<const TensorData>()).at(0);
        EXPECT_EQ(bytes_of(out), bytes_of(again)) << "the folded values differ";
        return out;
    }

    // The codes that Cast gives for f32 values.
    std::vector<int> cast(DataType type, const std::vector<float>& values,
                          const std::string& round_mode = "", bool saturate = true) {
        ModelBuilder built(25);
        built.input("x", {std::ssize(values)});
        onnx::NodeProto& node = built.node("Cast", {"x"}, {"y"});
        integer(node, "to", compiler::onnx_type_of(type));
        integer(node, "saturate", saturate ? 1 : 0);
        if (!round_mode.empty()) {
            auto& mode = attribute(node, "round_mode");
            mode.set_type(onnx::AttributeProto::STRING);
            mode.set_s(round_mode);
        }
        built.output("y");
        const TensorData y = run(built, floats({std::ssize(values)}, values));
        EXPECT_EQ(y.type, type);
        return bytes_of(y);
    }

    // The base class looks for leaks.
    void TearDown() override {
        opened_.reset();
        SdkTest::TearDown();
    }

  private:
    struct Opened {
        explicit Opened(Device card) : device(std::move(card)), queue(device.create_queue()) {}
        Device device;
        Queue queue;
    };
    std::optional<Opened> opened_{open()};

  protected:
    Device& device = opened_->device;
    Queue& queue = opened_->queue;
};

// The rows of the tables in ONNX's text of Cast.
TEST_F(SmallTypes, CastFollowsTheTablesOfOnnx) {
    const std::vector<float> x{0.0F, -0.0F, not_a_number, infinity, -infinity,
                               1e6F, -1e6F, 1.0F,         17.0F};
    using Codes = std::vector<int>;
    EXPECT_EQ(cast(DataType::f8e4m3fn, x),
              (Codes{0, 0x80, 0x7f, 0x7e, 0xfe, 0x7e, 0xfe, 0x38, 0x58}));
    EXPECT_EQ(cast(DataType::f8e4m3fnuz, x),
              (Codes{0, 0, 0x80, 0x7f, 0xff, 0x7f, 0xff, 0x40, 0x60}));
    EXPECT_EQ(cast(DataType::f8e5m2, x),
              (Codes{0, 0x80, 0x7e, 0x7b, 0xfb, 0x7b, 0xfb, 0x3c, 0x4c}));
    EXPECT_EQ(cast(DataType::f8e5m2fnuz, x),
              (Codes{0, 0, 0x80, 0x7f, 0xff, 0x7f, 0xff, 0x40, 0x50}));
    EXPECT_EQ(cast(DataType::f4e2m1, x), (Codes{0, 8, 8, 7, 15, 7, 15, 2, 7}));
    EXPECT_EQ(cast(DataType::f8e4m3fn, x, "", false),
              (Codes{0, 0x80, 0x7f, 0x7f, 0xff, 0x7f, 0xff, 0x38, 0x58}));
    EXPECT_EQ(cast(DataType::f8e4m3fnuz, x, "", false),
              (Codes{0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0x60}));
    EXPECT_EQ(cast(DataType::f8e5m2, x, "", false),
              (Codes{0, 0x80, 0x7e, 0x7c, 0xfc, 0x7c, 0xfc, 0x3c, 0x4c}));
    EXPECT_EQ(cast(DataType::i4, {-9, -8, -1.9F, 2.9F, 7, 8, 17}),
              (Codes{7, 0xf8, 0xff, 2, 7, 0xf8, 1}))
        << "integers that are out of range keep their low bits";
    EXPECT_EQ(cast(DataType::u2, {-1, 0, 3, 4, 5.5F}), (Codes{3, 0, 3, 0, 1}));
}

TEST_F(SmallTypes, PowersOfTwoRoundAsRoundModeSays) {
    const std::vector<float> x{1.0F,        1.25F,       1.5F,         1.75F,
                               0x1.8p127F,  infinity,    0x1p-130F,    0x1p-127F,
                               0x1.4p-127F, 0x1.8p-127F, not_a_number, 0};
    using Codes = std::vector<int>;
    EXPECT_EQ(cast(DataType::f8e8m0, x, "up"),
              (Codes{127, 128, 128, 128, 254, 254, 0, 0, 1, 1, 255, 0}));
    EXPECT_EQ(cast(DataType::f8e8m0, x, "down"),
              (Codes{127, 127, 127, 127, 254, 254, 0, 0, 0, 0, 255, 0}));
    EXPECT_EQ(cast(DataType::f8e8m0, x, "nearest"),
              (Codes{127, 127, 128, 128, 254, 254, 0, 0, 0, 1, 255, 0}));
    EXPECT_EQ(cast(DataType::f8e8m0, x, "nearest", false),
              (Codes{127, 127, 128, 128, 255, 255, 255, 0, 0, 1, 255, 255}));
}

TEST_F(SmallTypes, ConversionsBetweenAllTypesAreThoseByWayOfF32) {
    std::vector<float> x;
    for (int i = -40; i < 40; ++i) {
        x.push_back(static_cast<float>(i) * 0.37F);
    }
    for (int from = static_cast<int>(DataType::f8e4m3fn); from <= static_cast<int>(DataType::u2);
         ++from) {
        for (const DataType to : {DataType::f32, DataType::f16, DataType::i8, DataType::i32}) {
            ModelBuilder built(25);
            built.input("x", {std::ssize(x)});
            integer(built.node("Cast", {"x"}, {"s"}), "to",
                    compiler::onnx_type_of(static_cast<DataType>(from)));
            integer(built.node("Cast", {"s"}, {"t"}), "to", compiler::onnx_type_of(to));
            integer(built.node("Cast", {"t"}, {"y"}), "to", Proto::FLOAT);
            built.output("y");
            const std::vector<float> y = floats_of(run(built, floats({std::ssize(x)}, x)));
            const bool is_float = to == DataType::f32 || to == DataType::f16;
            EXPECT_TRUE(std::ranges::all_of(y, [&](float v) {
                return is_float || v == std::trunc(v);
            })) << from;
            if (static_cast<DataType>(from) == DataType::f8e5m2 && is_float) {
                EXPECT_NEAR(y[50], x[50], 0.5F);
            }
        }
    }
}

TEST_F(SmallTypes, BlocksNeedNotDivideTheAxis) {
    ModelBuilder built(21);
    built.input("x", {2, 5});
    float_weights(built, "scale", {2, 3}, {1, 2, 4, 0.5F, 1, 8});
    weights(built, "zero", int4, {2, 3}, std::as_bytes(std::span("\x10\x32\xf0", 3)));
    onnx::NodeProto& down = built.node("QuantizeLinear", {"x", "scale", "zero"}, {"q"});
    integer(down, "axis", 1);
    integer(down, "block_size", 2);
    onnx::NodeProto& up = built.node("DequantizeLinear", {"q", "scale", "zero"}, {"y"});
    integer(up, "axis", 1);
    integer(up, "block_size", 2);
    built.output("y");
    const std::vector<float> x{3.4F, -20, 3, -1, 13, 1.2F, 9, 2.5F, -1, 100};
    // Zero points 0, 1, 2 and 3, 0, -1.
    EXPECT_EQ(floats_of(run(built, floats({2, 5}, x))),
              (std::vector<float>{3, -8, 4, 0, 12, 1, 2, 2, -1, 64}));
}

// Precision FLOAT16: the quotient is rounded to f16 before it is rounded to an integer.
TEST_F(SmallTypes, PrecisionStatesTheTypeOfTheDivision) {
    for (const bool half : {false, true}) {
        ModelBuilder built(23);
        built.input("x", {1});
        float_weights(built, "scale", {}, {1});
        onnx::NodeProto& node = built.node("QuantizeLinear", {"x", "scale"}, {"y"});
        integer(node, "output_dtype", Proto::UINT8);
        integer(node, "precision", half ? Proto::FLOAT16 : Proto::FLOAT);
        built.output("y");
        // In f16 it is 100.5, which rounds to even.
        EXPECT_EQ(bytes_of(run(built, floats({1}, {100.51F}))),
                  (std::vector<int>{half ? 100 : 101}));
    }
}

// A product of [3, k] with weights [k, n] of a small type, dequantized in blocks of 32.
struct Weights {
    int type;
    unsigned bits;
    bool zero;
};
class SmallWeights : public SmallTypes, public ::testing::WithParamInterface<Weights> {};

TEST_P(SmallWeights, LieOnTheCardInTheirBits) {
    const auto [type, bits, zero] = GetParam();
    constexpr std::int64_t k = 128;
    constexpr std::int64_t n = 96;
    std::minstd_rand random{5};
    const auto random_bytes = [&](std::int64_t count) {
        std::vector<std::byte> bytes(static_cast<std::size_t>(count) * bits / 8);
        for (std::byte& byte : bytes) {
            byte = static_cast<std::byte>(random() >> 8 & 0x77);  // without NaNs
        }
        return bytes;
    };
    std::vector<float> scales;
    for (std::int64_t i = 0; i < k / 32 * n; ++i) {
        scales.push_back(0.01F + static_cast<float>(random() % 100) / 1000);
    }
    ModelBuilder built(25);
    built.input("x", {3, k});
    weights(built, "w", type, {k, n}, random_bytes(k * n));
    float_weights(built, "scale", {k / 32, n}, scales);
    std::vector<std::string> inputs{"w", "scale"};
    if (zero) {
        weights(built, "zero", type, {k / 32, n}, random_bytes(k / 32 * n));
        inputs.emplace_back("zero");
    }
    onnx::NodeProto& up = built.node("DequantizeLinear", inputs, {"f"});
    integer(up, "axis", 0);
    integer(up, "block_size", 32);
    built.node("MatMul", {"x", "f"}, {"y"});
    built.output("y");
    std::vector<float> x;
    for (std::int64_t i = 0; i < 3 * k; ++i) {
        x.push_back(static_cast<float>(random() % 2000) / 1000 - 1);
    }
    const Model net = compiler::compile(device, compiler::import_onnx(built.model, "m", {}));
    const std::uint64_t small = k * n * bits / 8;
    const std::uint64_t all = small + k / 32 * n * (zero ? 8 : 4);
    EXPECT_GE(net.memory().weights, small);
    EXPECT_LE(net.memory().weights, all + 512) << "the weights are not packed";
    // run() compares with the product of folded weights.
    static_cast<void>(run(built, floats({3, k}, x)));
}

INSTANTIATE_TEST_SUITE_P(All, SmallWeights,
                         ::testing::Values(Weights{22, 4, false}, Weights{22, 4, true},
                                           Weights{21, 4, true}, Weights{26, 2, false},
                                           Weights{25, 2, true}, Weights{23, 4, false},
                                           Weights{17, 8, false}, Weights{18, 8, false},
                                           Weights{19, 8, false}, Weights{20, 8, false}));

// Quantized activations times weights of four bits: an int8 product.
TEST_F(SmallTypes, WeightsOfFourBitsMultiplyInInt8) {
    constexpr std::int64_t k = 64;
    constexpr std::int64_t n = 32;
    ModelBuilder built(21);
    built.input("x", {2, k});
    std::vector<std::byte> bytes;
    for (std::int64_t i = 0; i < k * n / 2; ++i) {
        bytes.push_back(static_cast<std::byte>(i * 37 % 251));
    }
    weights(built, "w", int4, {k, n}, bytes);
    float_weights(built, "w_scale", {n}, std::vector<float>(n, 0.125F));
    float_weights(built, "scale", {}, {0.0625F});
    weights(built, "zero", Proto::UINT8, {}, std::as_bytes(std::span("\x80", 1)));
    integer(built.node("DequantizeLinear", {"w", "w_scale"}, {"wf"}), "axis", 1);
    built.node("QuantizeLinear", {"x", "scale", "zero"}, {"q"});
    built.node("DequantizeLinear", {"q", "scale", "zero"}, {"f"});
    built.node("MatMul", {"f", "wf"}, {"y"});
    built.output("y");
    const Model net = compiler::compile(device, compiler::import_onnx(built.model, "m", {}));
    EXPECT_LE(net.memory().weights, std::uint64_t{k * n / 2 + n * 8 + 512});
    std::vector<float> x;
    for (std::int64_t i = 0; i < 2 * k; ++i) {
        x.push_back(static_cast<float>(i % 61) * 0.0625F - 1.5F);
    }
    const std::vector<float> y = floats_of(net.run(queue, std::vector{floats({2, k}, x)}).at(0));
    for (std::int64_t row = 0; row < 2; ++row) {
        for (std::int64_t column = 0; column < n; ++column) {
            float sum = 0;
            for (std::int64_t i = 0; i < k; ++i) {
                const std::int64_t at = i * n + column;
                const int byte = std::to_integer<int>(bytes[static_cast<std::size_t>(at / 2)]);
                const int code = at % 2 == 0 ? byte % 16 : byte / 16;
                const int weight = code > 7 ? code - 16 : code;
                sum +=
                    x[static_cast<std::size_t>(row * k + i)] * static_cast<float>(weight) * 0.125F;
            }
            EXPECT_EQ(y[static_cast<std::size_t>(row * n + column)], sum);
        }
    }
}

TEST_F(SmallTypes, MoveAsBytes) {
    ModelBuilder built(25);
    built.input("x", {2, 3}, int4);
    auto& turned = built.node("Transpose", {"x"}, {"t"});
    auto& order = attribute(turned, "perm");
    order.set_type(onnx::AttributeProto::INTS);
    order.add_ints(1);
    order.add_ints(0);
    built.node("Identity", {"t"}, {"y"});
    built.output("y");
    const Model net = compiler::compile(device, compiler::import_onnx(built.model, "m", {}));
    EXPECT_EQ(net.inputs()[0].type, DataType::i4);
    EXPECT_EQ(net.inputs()[0].bytes(), 6U) << "one byte for each element";
    TensorData x{DataType::i4, {2, 3}, {}};
    for (const int value : {1, 2, 3, 0xfc, 0xfb, 0xfa}) {
        x.bytes.push_back(static_cast<std::byte>(value));
    }
    const TensorData y = net.run(queue, std::vector{x}).at(0);
    EXPECT_EQ(y.type, DataType::i4);
    EXPECT_EQ(bytes_of(y), (std::vector<int>{1, 0xfc, 2, 0xfb, 3, 0xfa}));
}

}  // namespace
}  // namespace accel::test
