// SPDX-License-Identifier: Apache-2.0
//
// The order of nodes in a graph.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace onnx {
class GraphProto;
class NodeProto;
}  // namespace onnx

namespace accel::compiler {

/// Collects the names that a node and its inner graphs read.
void note_names(const onnx::NodeProto& node, std::set<std::string>& names);

/// Sorts nodes topologically. ONNX requires that order in files, but some converters append nodes
/// at the end, and other runtimes accept that. Throws if the graph has a cycle.
[[nodiscard]] std::vector<const onnx::NodeProto*> in_order(const onnx::GraphProto& graph);

}  // namespace accel::compiler
