// SPDX-License-Identifier: Apache-2.0
//
// The nodes of a model that can be quantized, and the reasons why others cannot.
#pragma once

#include <accel/quantize.hpp>

#include <map>
#include <set>
#include <string>
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
};

/// Examines all nodes that multiply. Holds pointers into the graph.
class Sites {
  public:
    /// Throws if `keep` has a name that no node has.
    Sites(const onnx::GraphProto& graph, const std::vector<std::string>& keep);

    [[nodiscard]] const std::vector<Site>& found() const { return found_; }
    [[nodiscard]] std::vector<QuantizedNode>& report() { return report_; }
    /// The constant tensor of this name, or null.
    [[nodiscard]] const onnx::TensorProto* tensor(const std::string& name) const {
        const auto at = tensors_.find(name);
        return at == tensors_.end() ? nullptr : at->second;
    }

  private:
    void examine(const onnx::NodeProto& node, int index);
    [[nodiscard]] std::string obstacle(const onnx::NodeProto& node, bool conv, bool gemm) const;

    std::set<std::string> keep_;
    std::map<std::string, const onnx::TensorProto*> tensors_;
    std::vector<Site> found_;
    std::vector<QuantizedNode> report_;
};

}  // namespace accel::compiler
