// SPDX-License-Identifier: Apache-2.0
#include "quantizer/quantize_sites.hpp"

#include <onnx.pb.h>

#include "ir/error.hpp"

namespace accel::compiler {

std::string report_name(const onnx::NodeProto& node) {
    if (!node.name().empty()) {
        return node.name();
    }
    return node.output_size() > 0 ? node.output(0) : node.op_type();
}

Sites::Sites(const onnx::GraphProto& graph, const QuantizeOptions& options)
    : keep_(options.nodes_to_exclude.begin(), options.nodes_to_exclude.end()),
      weights_(options.weights) {
    for (const auto& tensor : graph.initializer()) {
        tensors_[tensor.name()] = &tensor;
    }
    for (const auto& node : graph.node()) {
        if (node.op_type() == "Constant" && node.output_size() == 1 && node.attribute_size() == 1 &&
            node.attribute(0).has_t()) {
            tensors_[node.output(0)] = &node.attribute(0).t();
        }
    }
    std::set<std::string> unknown = keep_;
    for (int i = 0; i < graph.node_size(); ++i) {
        unknown.erase(report_name(graph.node(i)));
        examine(graph.node(i), i);
    }
    if (!unknown.empty()) {
        refuse("QuantizeOptions::nodes_to_exclude names '" + *unknown.begin() +
                   "', and the model has no such node",
               "check the names of the nodes in the ONNX file");
    }
    find_neighbors(graph);
    for (auto& [index, entry] : entries_) {
        report_.push_back(std::move(entry.first));
        outputs_.push_back(std::move(entry.second));
    }
}

void Sites::examine(const onnx::NodeProto& node, int index) {
    const bool conv = node.op_type() == "Conv";
    const bool gemm = node.op_type() == "Gemm";
    if ((!conv && !gemm && node.op_type() != "MatMul") ||
        !(node.domain().empty() || node.domain() == "ai.onnx")) {
        return;
    }
    const std::string reason = obstacle(node, conv, gemm);
    entries_[index] = {{.node = report_name(node), .op_type = node.op_type(), .reason = reason},
                       node.output_size() > 0 ? node.output(0) : ""};
    if (!reason.empty()) {
        return;
    }
    const bool packed = !conv && !gemm && weights_ == WeightFormat::i4;
    quantized_.insert(index);
    if (!packed) {
        activations_.insert(node.input(0));
    }
    bool transposed = false;
    for (const auto& attribute : node.attribute()) {
        transposed = transposed || (attribute.name() == "transB" && attribute.i() != 0);
    }
    found_.push_back({.node = index,
                      .activation = node.input(0),
                      .weights = node.input(1),
                      .axis = conv || transposed ? 0 : 1,
                      .packed = packed});
}

std::string Sites::obstacle(const onnx::NodeProto& node, bool conv, bool gemm) const {
    if (keep_.contains(report_name(node))) {
        return "QuantizeOptions::nodes_to_exclude names it";
    }
    if (node.input_size() < 2 || tensor(node.input(1)) == nullptr) {
        return "its weights are not constant";
    }
    const onnx::TensorProto& weights = *tensor(node.input(1));
    if (weights.data_type() != onnx::TensorProto::FLOAT) {
        return "its weights are not f32";
    }
    if (conv ? weights.dims_size() < 3 || weights.dims_size() > 4 : weights.dims_size() != 2) {
        return "its weights have " + std::to_string(weights.dims_size()) + " dimensions";
    }
    if (tensor(node.input(0)) != nullptr) {
        return "its input is constant";
    }
    for (const auto& attribute : node.attribute()) {
        const bool scaled =
            (attribute.name() == "alpha" || attribute.name() == "beta") && attribute.f() != 1;
        if (gemm && (scaled || (attribute.name() == "transA" && attribute.i() != 0))) {
            return "its attribute " + attribute.name() + " is not the default";
        }
    }
    return "";
}

}  // namespace accel::compiler
