// SPDX-License-Identifier: Apache-2.0
//
// Nodes between quantized nodes that work on bytes, too: without them, their inputs would be
// dequantized and their outputs quantized again.
#include <onnx.pb.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "quantizer/quantize_sites.hpp"

namespace accel::compiler {

namespace {

using Names = std::initializer_list<std::string_view>;

bool is_one_of(const onnx::NodeProto& node, Names names) {
    return node.domain().empty() && std::ranges::find(names, node.op_type()) != names.end();
}

// Nodes that choose or move elements, and change none.
bool is_movement(const onnx::NodeProto& node) {
    if (node.op_type() == "Resize") {
        const auto mode = std::ranges::find_if(
            node.attribute(), [](const auto& attribute) { return attribute.name() == "mode"; });
        return node.domain().empty() && (mode == node.attribute().end() || mode->s() == "nearest");
    }
    return is_one_of(node, {"DepthToSpace", "Flatten", "Identity", "MaxPool", "Reshape",
                            "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze"});
}
bool has_many_inputs(const onnx::NodeProto& node) {
    return is_one_of(node, {"Add", "Concat", "Mul"});
}
// Nodes whose output has another range than their inputs.
bool is_arithmetic(const onnx::NodeProto& node) {
    return has_many_inputs(node) ||
           is_one_of(node, {"AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid"});
}
// Nodes whose effect is the saturation of the node before them.
bool is_clamp(const onnx::NodeProto& node) {
    return is_one_of(node, {"Clip", "Relu"});
}

}  // namespace

// Whether an activation has a quantization, or will have one.
bool Sites::in_bytes(const onnx::GraphProto& graph, const std::string& activation) const {
    if (activations_.contains(activation)) {
        return true;
    }
    const auto producer = producers_.find(activation);
    if (producer == producers_.end()) {
        return false;
    }
    const onnx::NodeProto& node = graph.node(producer->second);
    if (is_clamp(node)) {
        return in_bytes(graph, node.input(0));
    }
    return quantized_.contains(producer->second) || is_movement(node) || is_arithmetic(node);
}

void Sites::find_neighbors(const onnx::GraphProto& graph) {
    const auto note_uses = [&](const auto& names) {
        for (const std::string& name : names) {
            ++uses_[name];
        }
    };
    for (int i = 0; i < graph.node_size(); ++i) {
        for (const std::string& output : graph.node(i).output()) {
            producers_[output] = i;
        }
        note_uses(graph.node(i).input());
    }
    for (const auto& output : graph.output()) {
        ++uses_[output.name()];
    }
    // From the last node to the first, so the users of a node are examined before it.
    for (int i = graph.node_size(); i-- > 0;) {
        examine_neighbor(graph, i);
    }
}

void Sites::examine_neighbor(const onnx::GraphProto& graph, int index) {
    const onnx::NodeProto& node = graph.node(index);
    if ((!is_movement(node) && !is_arithmetic(node)) || node.output_size() != 1 ||
        keep_.contains(report_name(node))) {
        return;
    }
    const bool direct = activations_.contains(node.output(0));
    const bool clamped = uses_[node.output(0)] == 1 &&
                         std::ranges::any_of(graph.node(), [&](const onnx::NodeProto& user) {
                             return is_clamp(user) && user.input(0) == node.output(0) &&
                                    activations_.contains(user.output(0));
                         });
    if (!direct && !clamped) {
        return;
    }
    Neighbor neighbor{.node = index, .inputs = {}, .keeps_range = is_movement(node)};
    neighbor.inputs.resize(static_cast<std::size_t>(has_many_inputs(node) ? node.input_size() : 1));
    std::iota(neighbor.inputs.begin(), neighbor.inputs.end(), 0);
    for (const int i : neighbor.inputs) {
        if (tensor(node.input(i)) != nullptr || !in_bytes(graph, node.input(i))) {
            return;
        }
    }
    for (const int i : neighbor.inputs) {
        activations_.insert(node.input(i));
    }
    share_range(node, neighbor, direct);
    quantized_.insert(index);
    neighbors_.push_back(std::move(neighbor));
    entries_[index] = {{.node = report_name(node), .op_type = node.op_type(), .reason = ""},
                       node.output(0)};
}

// With the same quantization on both sides, the node only moves bytes.
void Sites::share_range(const onnx::NodeProto& node, const Neighbor& neighbor, bool direct) {
    if (!direct) {
        return;
    }
    if (neighbor.keeps_range) {
        same_range_.emplace(node.output(0), node.input(0));
    } else if (node.op_type() == "Concat") {
        for (const std::string& input : node.input()) {
            if (uses_[input] == 1) {
                same_range_.emplace(input, node.output(0));
            }
        }
    }
}

}  // namespace accel::compiler
