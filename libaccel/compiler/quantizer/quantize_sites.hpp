// SPDX-License-Identifier: Apache-2.0
//
// The nodes of a model that can be quantized, and the reasons why others cannot.
#pragma once

#include <accel/quantize.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace onnx {
class GraphProto;
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace accel::compiler {

/// A node that will be quantized.
struct Site {
    int node = 0;
    std::string activation;
    std::string weights;
    std::int64_t axis = 0;  // of the weights; counts channels
    bool packed = false;    // the weights become i4, and the activation stays f32
};

/// A node between quantized nodes that works on bytes, too.
struct Neighbor {
    int node = 0;
    std::vector<int> inputs;   // the indices of the inputs that are quantized
    bool keeps_range = false;  // the output has the quantization of the input
};

/// The name of a node, or of its first output.
[[nodiscard]] std::string report_name(const onnx::NodeProto& node);

/// Examines all nodes that multiply. Holds pointers into the graph.
class Sites {
  public:
    /// Throws if options.nodes_to_exclude has a name that no node has.
    Sites(const onnx::GraphProto& graph, const QuantizeOptions& options);

    [[nodiscard]] const std::vector<Site>& found() const { return found_; }
    [[nodiscard]] const std::vector<Neighbor>& neighbors() const { return neighbors_; }
    /// The activations that are quantized.
    [[nodiscard]] const std::set<std::string>& activations() const { return activations_; }
    /// For each activation whose quantization is that of another: the name of that one.
    [[nodiscard]] const std::map<std::string, std::string>& same_range() const {
        return same_range_;
    }
    [[nodiscard]] std::vector<QuantizedNode>& report() { return report_; }
    /// The output of each node of the report.
    [[nodiscard]] const std::vector<std::string>& outputs() const { return outputs_; }
    /// The constant tensor of this name, or null.
    [[nodiscard]] const onnx::TensorProto* tensor(const std::string& name) const {
        const auto at = tensors_.find(name);
        return at == tensors_.end() ? nullptr : at->second;
    }

  private:
    void examine(const onnx::NodeProto& node, int index);
    [[nodiscard]] std::string obstacle(const onnx::NodeProto& node, bool conv, bool gemm) const;
    // quantize_neighbors.cpp
    void find_neighbors(const onnx::GraphProto& graph);
    void examine_neighbor(const onnx::GraphProto& graph, int index);
    void share_range(const onnx::NodeProto& node, const Neighbor& neighbor, bool direct);
    [[nodiscard]] bool in_bytes(const onnx::GraphProto& graph, const std::string& activation) const;

    std::set<std::string> keep_;
    WeightFormat weights_;
    std::set<std::string> activations_;
    std::map<std::string, std::string> same_range_;
    std::map<std::string, int> producers_;  // the node of an activation
    std::map<std::string, int> uses_;       // of an activation, by nodes and as output
    std::set<int> quantized_;               // nodes
    std::vector<Neighbor> neighbors_;
    std::map<std::string, const onnx::TensorProto*> tensors_;
    std::vector<Site> found_;
    std::map<int, std::pair<QuantizedNode, std::string>> entries_;  // of nodes, with their output
    std::vector<QuantizedNode> report_;
    std::vector<std::string> outputs_;
};

}  // namespace accel::compiler
