// SPDX-License-Identifier: Apache-2.0
//
// The diagnostics of Model::check(): all causes for which a model is refused, not only the first.
#pragma once

#include <accel/model_info.hpp>

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "ir/error.hpp"

namespace onnx {
class NodeProto;
}  // namespace onnx

namespace accel::compiler {

class Findings {
  public:
    [[nodiscard]] bool empty() const { return found_.empty(); }
    /// In the order in which they were found.
    [[nodiscard]] const std::vector<Unsupported>& all() const { return found_; }

    /// Notes the cause of a node. Nodes with the same operator and the same cause are one finding.
    void add(const onnx::NodeProto& node, const Error& error);
    /// Notes a cause that concerns the whole model, or an instruction of the node `node`.
    void add(const Error& error, std::string node = {});

  private:
    void count(Unsupported one);

    std::vector<Unsupported> found_;
    // The index in found_ of a domain, an operator and a cause.
    std::map<std::tuple<std::string, std::string, std::string>, std::size_t> index_;
};

/// A node in messages: its operator, its name, and its first output.
[[nodiscard]] std::string describe(const onnx::NodeProto& node);

}  // namespace accel::compiler
