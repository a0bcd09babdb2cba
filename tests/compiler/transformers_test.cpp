// SPDX-License-Identifier: Apache-2.0
//
// Operators of language models: what ONNX's suite does not cover, and refusals.
#include <onnx.pb.h>

#include <cmath>
#include <cstring>

#include "fixture.hpp"
#include "frontend/onnx_import.hpp"
#include "frontend/onnx_tensor.hpp"
#include "runtime/compile.hpp"

namespace accel::test {
namespace {

using Sizes = std::vector<std::int64_t>;

template <typename T>
TensorData tensor(DataType type, Sizes shape, const std::vector<T>& values) {
    TensorData data{type, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
    std::memcpy(data.bytes.data(), values.data(), data.bytes.size());
    return data;
}
TensorData floats(Sizes shape, const std::vector<float>& values) {
    return tensor(DataType::f32, std::move(shape), values);
}
TensorData integers(Sizes shape, const std::vector<std::int64_t>& values) {
    return tensor(DataType::i64, std::move(shape), values);
}

void set(onnx::NodeProto& node, const char* name, std::int64_t value) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(value);
}
void set(onnx::NodeProto& node, const char* name, const std::string& value) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::STRING);
    attribute.set_s(value);
}

// A model of one node, all of whose inputs a run brings.
class Transformers : public SdkTest {
  protected:
    Transformers() {
        model_.add_opset_import()->set_version(28);
        node.add_output("y");
        model_.mutable_graph()->add_output()->set_name("y");
    }

    void op(const char* domain, const char* name) {
        node.set_domain(domain);
        node.set_op_type(name);
    }

    std::vector<float> run(const std::vector<TensorData>& inputs) {
        onnx::GraphProto& graph = *model_.mutable_graph();
        graph.clear_input();
        node.clear_input();
        for (const TensorData& input : inputs) {
            onnx::ValueInfoProto& port = *graph.add_input();
            port.set_name("x" + std::to_string(node.input_size()));
            node.add_input(port.name());
            auto& type = *port.mutable_type()->mutable_tensor_type();
            type.set_elem_type(compiler::onnx_type_of(input.type));
            for (const std::int64_t n : input.shape) {
                type.mutable_shape()->add_dim()->set_dim_value(n);
            }
        }
        const Device device = open();
        Queue queue = device.create_queue();
        const Model net = compiler::compile(device, compiler::import_onnx(model_, "one.onnx", {}));
        const auto out = net.run(queue, inputs).at(0);
        std::vector<float> values(out.bytes.size() / sizeof(float));
        std::memcpy(values.data(), out.bytes.data(), out.bytes.size());
        return values;
    }

    std::string refusal(const std::vector<TensorData>& inputs) {
        try {
            run(inputs);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }

  private:
    onnx::ModelProto model_;

  protected:
    onnx::NodeProto& node = *model_.mutable_graph()->add_node();
};

TEST_F(Transformers, ARunSaysWhereACacheIsWritten) {
    op("", "TensorScatter");
    set(node, "axis", 1);
    const TensorData cache = floats({2, 4, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
    const TensorData update = floats({2, 2, 1}, {10, 20, 30, 40});
    EXPECT_EQ(run({cache, update, integers({2}, {1, 2})}),
              (std::vector<float>{1, 10, 20, 4, 5, 6, 30, 40}));
    set(node, "mode", std::string("circular"));
    EXPECT_EQ(run({cache, update, integers({2}, {3, 8})}),
              (std::vector<float>{20, 2, 3, 10, 30, 40, 7, 8}));
}

TEST_F(Transformers, AQueryThatAttendsNoKeyGivesZero) {
    op("", "Attention");
    const TensorData x = floats({1, 1, 2, 1}, {1, 2});
    const TensorData mask = tensor<std::uint8_t>(DataType::boolean, {2, 2}, {0, 0, 0, 1});
    EXPECT_EQ(run({x, x, x, mask}), (std::vector<float>{0, 2}));
}

TEST_F(Transformers, AGraphOfANodeChangesTheScores) {
    op("ai.onnx.preview", "FlexAttention");
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name("score_mod");
    attribute.set_type(onnx::AttributeProto::GRAPH);
    onnx::GraphProto& graph = *attribute.mutable_g();
    graph.add_input()->set_name("scores");
    graph.add_output()->set_name("equal");
    onnx::NodeProto& difference = *graph.add_node();
    difference.set_op_type("Sub");
    difference.add_input("scores");
    difference.add_input("scores");
    difference.add_output("equal");
    const TensorData x = floats({1, 1, 2, 1}, {1, 5});
    EXPECT_EQ(run({x, x, x}), (std::vector<float>{3, 3})) << "the mean of both values";
    graph.mutable_node(0)->set_op_type("Less");
    EXPECT_NE(refusal({x, x, x}).find("changes the shape or the data type"), std::string::npos);
}

TEST_F(Transformers, RefusalsNameTheCause) {
    const TensorData x = floats({1, 2, 2}, {1, 2, 3, 4});
    op("", "LinearAttention");
    set(node, "q_num_heads", 1);
    set(node, "kv_num_heads", 1);
    EXPECT_NE(refusal({x, x, x}).find("inputs decay and beta do not fit the update_rule"),
              std::string::npos);
    op("com.microsoft", "MultiHeadAttention");
    set(node, "num_heads", 3);
    EXPECT_NE(refusal({x, x, x}).find("cannot be split into 3 heads"), std::string::npos);
    op("com.microsoft.nchwc", "Conv");
    EXPECT_NE(refusal({x}).find("ORT_ENABLE_EXTENDED"), std::string::npos);
}

}  // namespace
}  // namespace accel::test
