// SPDX-License-Identifier: Apache-2.0
//
// Models with sequences, optionals and scans: what exists only while the model is imported.
#include "one_node.hpp"

namespace accel::test {
namespace {

using Names = std::vector<std::string>;

onnx::NodeProto& add_node(onnx::GraphProto& graph, const char* op, const Names& inputs,
                          const Names& outputs,
                          const std::vector<onnx::AttributeProto>& attributes = {}) {
    onnx::NodeProto& node = *graph.add_node();
    node.set_op_type(op);
    for (const std::string& name : inputs) {
        node.add_input(name);
    }
    for (const std::string& name : outputs) {
        node.add_output(name);
    }
    for (const auto& one : attributes) {
        *node.add_attribute() = one;
    }
    return node;
}

onnx::AttributeProto graph_attribute(const char* name, const onnx::GraphProto& graph) {
    onnx::AttributeProto made;
    made.set_name(name);
    made.set_type(onnx::AttributeProto::GRAPH);
    *made.mutable_g() = graph;
    return made;
}

onnx::GraphProto body_with(const Names& inputs, const Names& outputs) {
    onnx::GraphProto body;
    for (const std::string& name : inputs) {
        body.add_input()->set_name(name);
    }
    for (const std::string& name : outputs) {
        body.add_output()->set_name(name);
    }
    return body;
}

class SequenceModel : public SdkTest {
  protected:
    onnx::GraphProto& graph() { return *model_.mutable_graph(); }

    void constant(const char* name, const TensorData& data) {
        onnx::TensorProto& weights = *graph().add_initializer();
        weights.set_name(name);
        weights.set_data_type(compiler::onnx_type_of(data.type));
        weights.mutable_dims()->Add(data.shape.begin(), data.shape.end());
        weights.set_raw_data(data.bytes.data(), data.bytes.size());
    }

    void input(const char* name, const TensorData& data) {
        onnx::ValueInfoProto& made = *graph().add_input();
        made.set_name(name);
        auto& type = *made.mutable_type()->mutable_tensor_type();
        type.set_elem_type(compiler::onnx_type_of(data.type));
        for (const std::int64_t n : data.shape) {
            type.mutable_shape()->add_dim()->set_dim_value(n);
        }
        given_.push_back(data);
    }

    std::vector<TensorData> run(const Names& outputs, std::int64_t opset = 18) {
        model_.add_opset_import()->set_version(opset);
        for (const std::string& name : outputs) {
            graph().add_output()->set_name(name);
        }
        const Device device = open();
        Queue queue = device.create_queue();
        const Model net =
            compiler::compile(device, compiler::import_onnx(model_, "sequences.onnx", {}));
        return net.run(queue, given_);
    }

  private:
    onnx::ModelProto model_;
    std::vector<TensorData> given_;
};

TEST_F(SequenceModel, ALoopAppendsToASequence) {
    input("x", floats({3, 2}, {-1, 1, 2, -2, 3, 4}));
    constant("count", integers({}, {3}));
    constant("true", tensor<std::uint8_t>(DataType::boolean, {}, {1}));
    onnx::GraphProto body = body_with({"i", "c", "s"}, {"c2", "s2"});
    add_node(body, "Gather", {"x", "i"}, {"row"});
    add_node(body, "Relu", {"row"}, {"r"});
    add_node(body, "SequenceInsert", {"s", "r"}, {"s2"});
    add_node(body, "Identity", {"c"}, {"c2"});
    add_node(graph(), "SequenceEmpty", {}, {"empty"});
    add_node(graph(), "Loop", {"count", "true", "empty"}, {"all"}, {graph_attribute("body", body)});
    add_node(graph(), "ConcatFromSequence", {"all"}, {"y"},
             {attribute("axis", 0), attribute("new_axis", 1)});
    add_node(graph(), "SequenceLength", {"all"}, {"length"});
    const auto y = run({"y", "length"});
    EXPECT_EQ(y[0].shape, (Sizes{3, 2}));
    EXPECT_EQ(values<float>(y[0]), (std::vector<float>{0, 1, 2, 0, 3, 4}));
    EXPECT_EQ(values<std::int64_t>(y[1]), (std::vector<std::int64_t>{3}));
}

TEST_F(SequenceModel, ElementsAreInsertedErasedAndRead) {
    input("x", floats({5}, {1, 2, 3, 4, 5}));
    constant("two", integers({}, {2}));
    constant("zero", integers({}, {0}));
    constant("last", integers({}, {-1}));
    add_node(graph(), "SplitToSequence", {"x", "two"}, {"parts"});              // 12 34 5
    add_node(graph(), "SequenceErase", {"parts", "zero"}, {"rest"});            // 34 5
    add_node(graph(), "SequenceAt", {"parts", "zero"}, {"first"});              // 12
    add_node(graph(), "SequenceInsert", {"rest", "first", "last"}, {"moved"});  // 34 12 5
    add_node(graph(), "ConcatFromSequence", {"moved"}, {"y"}, {attribute("axis", 0)});
    EXPECT_EQ(values<float>(run({"y"})[0]), (std::vector<float>{3, 4, 1, 2, 5}));
}

TEST_F(SequenceModel, AMapAppliesItsBodyToEachElement) {
    input("x", floats({2, 2}, {1, 2, 3, 4}));
    input("offset", floats({2}, {10, 20}));
    add_node(graph(), "SplitToSequence", {"x"}, {"rows"}, {attribute("keepdims", 0)});
    onnx::GraphProto body = body_with({"row", "shift"}, {"sum"});
    add_node(body, "Add", {"row", "shift"}, {"sum"});
    add_node(graph(), "SequenceMap", {"rows", "offset"}, {"sums"}, {graph_attribute("body", body)});
    add_node(graph(), "ConcatFromSequence", {"sums"}, {"y"}, {attribute("axis", 0)});
    EXPECT_EQ(values<float>(run({"y"})[0]), (std::vector<float>{11, 22, 13, 24}));
}

TEST_F(SequenceModel, OptionalsTellWhetherTheyHaveAnElement) {
    input("x", floats({2}, {1, 2}));
    add_node(graph(), "Optional", {"x"}, {"full"});
    add_node(graph(), "Optional", {}, {"empty"});
    add_node(graph(), "OptionalHasElement", {"full"}, {"a"});
    add_node(graph(), "OptionalHasElement", {"empty"}, {"b"});
    add_node(graph(), "OptionalGetElement", {"full"}, {"y"});
    const auto y = run({"a", "b", "y"});
    EXPECT_EQ(values<std::uint8_t>(y[0])[0], 1);
    EXPECT_EQ(values<std::uint8_t>(y[1])[0], 0);
    EXPECT_EQ(values<float>(y[2]), (std::vector<float>{1, 2}));
}

TEST_F(SequenceModel, ASequenceIsNoTensor) {
    input("x", floats({2}, {1, 2}));
    add_node(graph(), "SequenceConstruct", {"x", "x"}, {"pair"});
    add_node(graph(), "Relu", {"pair"}, {"y"});
    expect_says(error_of([&] { run({"y"}); }), "Relu", "input 0 is a sequence");
}

TEST_F(SequenceModel, AnOutputThatIsASequenceIsRefusedByName) {
    input("x", floats({2}, {1, 2}));
    add_node(graph(), "SequenceConstruct", {"x", "x"}, {"pair"});
    expect_says(error_of([&] { run({"pair"}); }), "'pair'", "sequence");
}

// Column by column from the right: the state is the sum, and the outputs are columns again.
TEST_F(SequenceModel, AScanHasAxesAndDirections) {
    input("start", floats({2}, {100, 200}));
    input("x", floats({2, 3}, {1, 2, 3, 4, 5, 6}));
    onnx::GraphProto body = body_with({"sum", "column"}, {"next", "copy"});
    add_node(body, "Add", {"sum", "column"}, {"next"});
    add_node(body, "Identity", {"next"}, {"copy"});
    add_node(
        graph(), "Scan", {"start", "x"}, {"sum", "all"},
        {graph_attribute("body", body), attribute("num_scan_inputs", 1),
         list_attribute("scan_input_axes", {1}), list_attribute("scan_input_directions", {1}),
         list_attribute("scan_output_axes", {-1}), list_attribute("scan_output_directions", {1})});
    const auto y = run({"sum", "all"}, 11);
    EXPECT_EQ(values<float>(y[0]), (std::vector<float>{106, 215}));
    EXPECT_EQ(y[1].shape, (Sizes{2, 3}));
    EXPECT_EQ(values<float>(y[1]), (std::vector<float>{106, 105, 103, 215, 211, 206}));
}

// The second sequence has one element, and zeros fill its results.
TEST_F(SequenceModel, AScanOfOpset8HasBatchesOfSequences) {
    constant("lengths", integers({2}, {3, 1}));
    input("start", floats({2, 1}, {100, 200}));
    input("x", floats({2, 3, 1}, {1, 2, 3, 4, 5, 6}));
    onnx::GraphProto body = body_with({"sum", "element"}, {"next", "copy"});
    add_node(body, "Add", {"sum", "element"}, {"next"});
    add_node(body, "Identity", {"next"}, {"copy"});
    add_node(graph(), "Scan", {"lengths", "start", "x"}, {"sum", "all"},
             {graph_attribute("body", body), attribute("num_scan_inputs", 1)});
    const auto y = run({"sum", "all"}, 8);
    EXPECT_EQ(values<float>(y[0]), (std::vector<float>{106, 204}));
    EXPECT_EQ(y[1].shape, (Sizes{2, 3, 1}));
    EXPECT_EQ(values<float>(y[1]), (std::vector<float>{101, 103, 106, 204, 0, 0}));
}

}  // namespace
}  // namespace accel::test
