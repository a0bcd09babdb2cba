// SPDX-License-Identifier: Apache-2.0
//
// Builds models with loops and branches, and compares each on the card with the same model whose
// inputs are known: that one is unrolled and folded, and has the same bits.
#pragma once

#include <algorithm>
#include <optional>
#include <random>

#include "model_builder.hpp"
#include "one_node.hpp"

namespace accel::test {

using Names = std::vector<std::string>;

inline std::vector<float> random_values(std::size_t count, std::uint32_t seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0.0F, 0.7F);
    std::vector<float> made(count);
    std::ranges::generate(made, [&] { return normal(engine); });
    return made;
}

inline TensorData random_tensor(const Sizes& shape, std::uint32_t seed) {
    std::size_t count = 1;
    for (const std::int64_t n : shape) {
        count *= static_cast<std::size_t>(n);
    }
    return floats(shape, random_values(count, seed));
}

class Loops : public SdkTest {
  protected:
    void input(const std::string& name, const TensorData& data) {
        std::vector<TestDim> dims(data.shape.begin(), data.shape.end());
        made.input(name, dims, compiler::onnx_type_of(data.type));
        inputs_.emplace_back(name, data);
    }
    void weight(const std::string& name, const TensorData& data) {
        add_weight(made.graph(), name, data);
    }
    static void add_weight(onnx::GraphProto& graph, const std::string& name,
                           const TensorData& data) {
        onnx::TensorProto& tensor = *graph.add_initializer();
        tensor.set_name(name);
        tensor.set_data_type(compiler::onnx_type_of(data.type));
        tensor.mutable_dims()->Add(data.shape.begin(), data.shape.end());
        tensor.set_raw_data(data.bytes.data(), data.bytes.size());
    }
    static onnx::GraphProto body(const Names& inputs, const Names& outputs) {
        onnx::GraphProto graph;
        for (const std::string& name : inputs) {
            graph.add_input()->set_name(name);
        }
        for (const std::string& name : outputs) {
            graph.add_output()->set_name(name);
        }
        return graph;
    }
    static onnx::NodeProto& add(onnx::GraphProto& graph, const std::string& op, const Names& inputs,
                                const Names& outputs) {
        return ModelBuilder::fill(*graph.add_node(), op, inputs, outputs, op + " of " + outputs[0]);
    }
    static void set_graph(onnx::NodeProto& node, const std::string& name,
                          const onnx::GraphProto& graph) {
        onnx::AttributeProto& made = *node.add_attribute();
        made.set_name(name);
        made.set_type(onnx::AttributeProto::GRAPH);
        *made.mutable_g() = graph;
    }
    static TensorData truth(bool value) {
        return tensor<std::uint8_t>(DataType::boolean, {}, {static_cast<std::uint8_t>(value)});
    }

    std::size_t count(const Model& net, const std::string& command) {
        return static_cast<std::size_t>(
            std::ranges::count(net.commands(), command, &ModelCommand::command));
    }

    Model load(bool known = false) {
        LoadOptions options;
        if (known) {
            options.constant_inputs.insert(inputs_.begin(), inputs_.end());
        }
        const std::string bytes = made.model.SerializeAsString();
        return Model::load(device, std::as_bytes(std::span(bytes)), options);
    }

    // Runs the model on the card, and compares it with the one that is unrolled. Returns the
    // results.
    std::vector<TensorData> expect_same_bits(const std::string& command = "LOOP") {
        const Model net = load();
        EXPECT_GE(count(net, command), 1U);
        std::vector<TensorData> given;
        for (const auto& [name, data] : inputs_) {
            given.push_back(data);
        }
        auto looped = net.run(queue, given);
        const auto again = net.run(queue, given);
        const auto unrolled = load(true).run(queue, std::vector<TensorData>{});
        for (std::size_t i = 0; i < looped.size(); ++i) {
            EXPECT_EQ(looped[i].shape, unrolled[i].shape);
            EXPECT_EQ(looped[i].bytes, unrolled[i].bytes) << "output " << i;
            EXPECT_EQ(looped[i].bytes, again[i].bytes) << "output " << i << " of the second run";
        }
        return looped;
    }

    void outputs(const Names& names) {
        for (const std::string& name : names) {
            made.output(name);
        }
    }

    ModelBuilder made;
    void TearDown() override {
        made_queue_.reset();
        card_.reset();
        SdkTest::TearDown();
    }

  private:
    std::optional<Device> card_ = open();
    std::optional<Queue> made_queue_ = card_->create_queue();

  protected:
    const Device& device = *card_;
    Queue& queue = *made_queue_;

  private:
    std::vector<std::pair<std::string, TensorData>> inputs_;
};

}  // namespace accel::test
