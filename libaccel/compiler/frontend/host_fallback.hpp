// SPDX-License-Identifier: Apache-2.0
//
// Collection of the host fallback (ir/host_fallback.hpp): nodes that depend on the values of a run,
// such as the number of boxes that NonMaxSuppression selects. They cannot be compiled in advance.
// They become an ONNX model of their own, which runtime/host_fallback.hpp compiles and computes in
// each run.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "frontend/weight_files.hpp"
#include "ir/builder.hpp"

namespace onnx {
class ModelProto;
class NodeProto;
}  // namespace onnx

namespace accel::compiler {

/// Collects the nodes of the fallback during the import of a model.
class HostFallbackBuilder {
  public:
    HostFallbackBuilder(const onnx::ModelProto& model, bool allow_narrowing)
        : model_(model), allow_narrowing_(allow_narrowing) {}

    [[nodiscard]] bool empty() const { return nodes_.empty(); }

    /// Whether a node reads an output of the fallback.
    [[nodiscard]] bool depends(const onnx::NodeProto& node) const;

    void add(const onnx::NodeProto& node, std::string reason);

    /// Sets the outputs and the fallback of a program. `find` returns the value of a name. A
    /// sequence reaches the fallback as its elements. `weights` has the elements of external
    /// tensors.
    void finish(Program& program, const Builder& builder, WeightFiles& weights,
                const std::function<ValueId(const std::string& name)>& find) const;

  private:
    const onnx::ModelProto& model_;
    bool allow_narrowing_;
    std::vector<const onnx::NodeProto*> nodes_;
    std::vector<std::string> reasons_;
    std::set<std::string> made_;  // names of the outputs of the nodes
};

}  // namespace accel::compiler
