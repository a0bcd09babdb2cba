// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

namespace onnx {
class GraphProto;
class NodeProto;
}  // namespace onnx

namespace accel::compiler {

/// Names that a node reads, also from within its graphs.
void note_names(const onnx::NodeProto& node, std::set<std::string>& names);

/// Each node behind those that make what it reads. Files should have that order, but converters put
/// nodes at the end, and others take that. Throws if there is none.
[[nodiscard]] std::vector<const onnx::NodeProto*> in_order(const onnx::GraphProto& graph);

}  // namespace accel::compiler
