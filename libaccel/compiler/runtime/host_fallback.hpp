// SPDX-License-Identifier: Apache-2.0
//
// What cannot be compiled before a run, because it asks for what values are: it becomes a model of
// its own, that each run compiles with those values.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "ir/program.hpp"

namespace onnx {
class GraphProto;
class ModelProto;
class NodeProto;
}  // namespace onnx

namespace accel::compiler {

/// Collects the nodes while a model is read.
class TailMaker {
  public:
    TailMaker(const onnx::ModelProto& model, bool narrow) : model_(model), narrow_(narrow) {}

    [[nodiscard]] bool empty() const { return nodes_.empty(); }

    /// Whether a node reads what one of the tail makes.
    [[nodiscard]] bool depends(const onnx::NodeProto& node) const;

    void add(const onnx::NodeProto& node, std::string why);

    /// Gives the program its outputs and its tail. `find` gives the value of a name.
    void finish(Program& program,
                const std::function<ValueId(const std::string& name)>& find) const;

  private:
    const onnx::ModelProto& model_;
    bool narrow_;
    std::vector<const onnx::NodeProto*> nodes_;
    std::vector<std::string> reasons_;
    std::set<std::string> made_;
};

/// The outputs of a tail in a run. `inputs` are in its order.
[[nodiscard]] std::vector<TensorData> run_tail(const Device& device, Queue& queue, const Tail& tail,
                                               std::vector<TensorData> inputs);

}  // namespace accel::compiler
