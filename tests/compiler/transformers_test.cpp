// SPDX-License-Identifier: Apache-2.0
//
// Operators of language models: what ONNX's suite does not cover, and refusals.
#include <onnx.pb.h>

#include "one_node.hpp"

namespace accel::test {
namespace {

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
        return values<float>(net.run(queue, inputs).at(0));
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
    *node.add_attribute() = attribute("axis", 1);
    const TensorData cache = floats({2, 4, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
    const TensorData update = floats({2, 2, 1}, {10, 20, 30, 40});
    EXPECT_EQ(run({cache, update, integers({2}, {1, 2})}),
              (std::vector<float>{1, 10, 20, 4, 5, 6, 30, 40}));
    *node.add_attribute() = attribute("mode", std::string("circular"));
    EXPECT_EQ(run({cache, update, integers({2}, {3, 8})}),
              (std::vector<float>{20, 2, 3, 10, 30, 40, 7, 8}));
}

TEST_F(Transformers, ACircularCacheTakesIndicesThatF32DoesNotHold) {
    op("", "TensorScatter");
    *node.add_attribute() = attribute("axis", 1);
    *node.add_attribute() = attribute("mode", std::string("circular"));
    const TensorData cache = floats({1, 3, 1}, {1, 2, 3});
    constexpr std::int64_t start = (std::int64_t{1} << 25) + 1;
    static_assert(start % 3 == 0 && static_cast<std::int64_t>(static_cast<float>(start)) != start);
    EXPECT_EQ(run({cache, floats({1, 1, 1}, {10}), integers({1}, {start})}),
              (std::vector<float>{10, 2, 3}));
}

TEST_F(Transformers, AQueryThatAttendsNoKeyGivesZero) {
    op("", "Attention");
    const TensorData x = floats({1, 1, 2, 1}, {1, 2});
    const TensorData mask = tensor<std::uint8_t>(DataType::boolean, {2, 2}, {0, 0, 0, 1});
    EXPECT_EQ(run({x, x, x, mask}), (std::vector<float>{0, 2}));
}

TEST_F(Transformers, AGraphOfANodeChangesTheScores) {
    op("ai.onnx.preview", "FlexAttention");
    onnx::AttributeProto& changed = *node.add_attribute();
    changed.set_name("score_mod");
    changed.set_type(onnx::AttributeProto::GRAPH);
    onnx::GraphProto& graph = *changed.mutable_g();
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
    *node.add_attribute() = attribute("q_num_heads", 1);
    *node.add_attribute() = attribute("kv_num_heads", 1);
    EXPECT_NE(refusal({x, x, x}).find("inputs decay and beta do not fit the update_rule"),
              std::string::npos);
    op("com.microsoft", "MultiHeadAttention");
    *node.add_attribute() = attribute("num_heads", 3);
    EXPECT_NE(refusal({x, x, x}).find("cannot be split into 3 heads"), std::string::npos);
    op("com.microsoft.nchwc", "Conv");
    EXPECT_NE(refusal({x}).find("ORT_ENABLE_EXTENDED"), std::string::npos);
}

}  // namespace
}  // namespace accel::test
