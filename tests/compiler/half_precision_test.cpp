// SPDX-License-Identifier: Apache-2.0
//
// Models in f16: nodes that follow each other compute in f32, and only what leaves them is rounded.
#include <cmath>

#include "ir/number_conversion.hpp"
#include "model_builder.hpp"
#include "one_node.hpp"

namespace accel::test {
namespace {

class HalfPrecision : public SdkTest {
  protected:
    using Numbers = std::vector<float>;

    static constexpr float third_ = 1.0F / 3;  // which f16 rounds

    // Numbers that f16 and f32 both have.
    static TensorData numbers(DataType type, const Sizes& shape, float scale, float step) {
        Numbers all(static_cast<std::size_t>(compiler::elements(shape)));
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i] = compiler::rounded_to(DataType::f16,
                                          scale * std::sin(static_cast<float>(i) * step + step));
        }
        return {type, shape,
                compiler::make_constant(type, shape, std::span<const float>(all))->data};
    }

    static void weights(ModelBuilder& built, const std::string& name, const TensorData& data) {
        onnx::TensorProto& made = *built.graph().add_initializer();
        made.set_name(name);
        made.set_data_type(compiler::onnx_type_of(data.type));
        made.mutable_dims()->Add(data.shape.begin(), data.shape.end());
        made.set_raw_data(data.bytes.data(), data.bytes.size());
    }

    static void scalar(ModelBuilder& built, const std::string& name, DataType type, float value) {
        weights(
            built, name,
            {type, {}, compiler::make_constant(type, {}, std::span<const float>(&value, 1))->data});
    }

    // A layer of a transformer: attention, a normalization and a Gelu, the latter two in several
    // nodes.
    static ModelBuilder transformer(DataType type) {
        ModelBuilder built(17);
        built.input("x", {8, 16}, compiler::onnx_type_of(type));
        weights(built, "q", numbers(type, {16, 16}, 0.7F, 0.7F));
        weights(built, "v", numbers(type, {16, 16}, 0.6F, 1.1F));
        weights(built, "w", numbers(type, {16, 32}, 0.5F, 1.9F));
        weights(built, "b", numbers(type, {32}, 0.4F, 2.3F));
        scalar(built, "two", type, 2);
        scalar(built, "half", type, 0.5F);
        scalar(built, "one", type, 1);
        scalar(built, "epsilon", type, 0.0009765625F);
        built.node("MatMul", {"x", "q"}, {"queries"});
        built.node("Transpose", {"x"}, {"keys"});
        built.node("MatMul", {"queries", "keys"}, {"scores"});
        built.node("Softmax", {"scores"}, {"shares"});
        built.node("MatMul", {"x", "v"}, {"values"});
        built.node("MatMul", {"shares", "values"}, {"mixed"});
        built.node("Add", {"mixed", "x"}, {"sum"});
        *built.node("ReduceMean", {"sum"}, {"mean"}).add_attribute() = list_attribute("axes", {-1});
        built.node("Sub", {"sum", "mean"}, {"centered"});
        built.node("Pow", {"centered", "two"}, {"squares"});
        *built.node("ReduceMean", {"squares"}, {"variance"}).add_attribute() =
            list_attribute("axes", {-1});
        built.node("Add", {"variance", "epsilon"}, {"positive"});
        built.node("Sqrt", {"positive"}, {"deviation"});
        built.node("Div", {"centered", "deviation"}, {"normal"});
        built.node("MatMul", {"normal", "w"}, {"product"});
        built.node("Add", {"product", "b"}, {"z"});
        built.node("Erf", {"z"}, {"erf"});
        built.node("Add", {"erf", "one"}, {"shifted"});
        built.node("Mul", {"z", "shifted"}, {"doubled"});
        built.node("Mul", {"doubled", "half"}, {"y"});
        built.output("y");
        return built;
    }

    // Convolutions, whose results are chosen from and averaged.
    static ModelBuilder images(DataType type) {
        ModelBuilder built(17);
        built.input("x", {1, 3, 8, 8}, compiler::onnx_type_of(type));
        weights(built, "w", numbers(type, {8, 3, 3, 3}, 0.4F, 0.7F));
        weights(built, "b", numbers(type, {8}, 0.4F, 2.3F));
        weights(built, "w1", numbers(type, {8, 8, 3, 3}, 0.3F, 1.3F));
        *built.node("Conv", {"x", "w", "b"}, {"a"}).add_attribute() =
            list_attribute("pads", {1, 1, 1, 1});
        built.node("Relu", {"a"}, {"r"});
        *built.node("Conv", {"r", "w1"}, {"c"}).add_attribute() =
            list_attribute("pads", {1, 1, 1, 1});
        built.node("Add", {"c", "r"}, {"s"});
        built.node("Sigmoid", {"s"}, {"g"});
        built.node("Mul", {"s", "g"}, {"h"});
        built.node("GlobalAveragePool", {"h"}, {"y"});
        built.output("y");
        return built;
    }

    Numbers run(const ModelBuilder& built, const TensorData& x) { return run(built, x, x.type); }

    Numbers run(const ModelBuilder& built, const TensorData& x, DataType result) {
        const Device device = open();
        Queue queue = device.create_queue();
        const Model net = compiler::compile(device, compiler::import_onnx(built.model, "half", {}));
        const TensorData y = net.run(queue, std::vector{x})[0];
        EXPECT_EQ(y.type, result);
        compiler::Tensor tensor(y.type, y.shape);
        tensor.data = y.bytes;
        return tensor.floats();
    }

    void expect_rounded_once(ModelBuilder (*model)(DataType), const Sizes& shape) {
        const Numbers wide = run(model(DataType::f32), numbers(DataType::f32, shape, 1, 0.37F));
        const Numbers narrow = run(model(DataType::f16), numbers(DataType::f16, shape, 1, 0.37F));
        ASSERT_EQ(narrow.size(), wide.size());
        for (std::size_t i = 0; i < wide.size(); ++i) {
            EXPECT_EQ(narrow[i], compiler::rounded_to(DataType::f16, wide[i])) << i;
        }
    }
};

TEST_F(HalfPrecision, ALayerOfATransformerRoundsItsResultOnly) {
    expect_rounded_once(transformer, {8, 16});
}

TEST_F(HalfPrecision, ConvolutionsRoundTheirResultOnly) {
    expect_rounded_once(images, {1, 3, 8, 8});
}

TEST_F(HalfPrecision, ACastThatLeavesAChainDoesNotRound) {
    ModelBuilder built(17);
    built.input("x", {1}, onnx::TensorProto::FLOAT16);
    scalar(built, "third", DataType::f16, 0.3333F);
    built.node("Mul", {"x", "third"}, {"product"});
    integer(built.node("Cast", {"product"}, {"y"}), "to", onnx::TensorProto::FLOAT);
    built.output("y");
    const TensorData x = numbers(DataType::f16, {1}, 1, 0.37F);
    compiler::Tensor given(DataType::f16, {1});
    given.data = x.bytes;
    const float third = compiler::rounded_to(DataType::f16, 0.3333F);
    EXPECT_EQ(run(built, x, DataType::f32)[0], given.floats()[0] * third);
}

TEST_F(HalfPrecision, ACastThatEntersAChainDoesNotRound) {
    ModelBuilder built(17);
    built.input("x", {1}, onnx::TensorProto::FLOAT);
    integer(built.node("Cast", {"x"}, {"half"}), "to", onnx::TensorProto::FLOAT16);
    built.node("Neg", {"half"}, {"negative"});
    built.node("Add", {"negative", "half"}, {"nothing"});
    scalar(built, "two", DataType::f16, 2);
    built.node("Mul", {"half", "two"}, {"twice"});
    built.node("Add", {"twice", "nothing"}, {"sum"});
    integer(built.node("Cast", {"sum"}, {"y"}), "to", onnx::TensorProto::FLOAT);
    built.output("y");
    const TensorData x = {
        DataType::f32,
        {1},
        compiler::make_constant(DataType::f32, {1}, std::span<const float>(&third_, 1))->data};
    EXPECT_EQ(run(built, x, DataType::f32)[0], 2 * third_);
}

TEST_F(HalfPrecision, ACastAndACastBackRound) {
    ModelBuilder built(17);
    built.input("x", {1}, onnx::TensorProto::FLOAT);
    integer(built.node("Cast", {"x"}, {"half"}), "to", onnx::TensorProto::FLOAT16);
    built.node("Identity", {"half"}, {"same"});
    integer(built.node("Cast", {"same"}, {"y"}), "to", onnx::TensorProto::FLOAT);
    built.output("y");
    const TensorData x = {
        DataType::f32,
        {1},
        compiler::make_constant(DataType::f32, {1}, std::span<const float>(&third_, 1))->data};
    EXPECT_EQ(run(built, x, DataType::f32)[0], compiler::rounded_to(DataType::f16, third_));
}

}  // namespace
}  // namespace accel::test
