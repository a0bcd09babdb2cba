// SPDX-License-Identifier: Apache-2.0
//
// Checks of a model before its nodes are lowered: its names and its operators.
#pragma once

#include <set>

#include "frontend/findings.hpp"
#include "frontend/opset_imports.hpp"

namespace onnx {
class GraphProto;
class ModelProto;
class NodeProto;
}  // namespace onnx

namespace accel::compiler {

/// Throws if two nodes, inputs or weights of a graph, or of a graph inside, define the same name. A
/// weight may have the name of an input, whose default it is.
void check_names(const onnx::GraphProto& graph);

/// Notes each node whose operator is not supported in its opset. The graphs inside of nodes are not
/// checked, since an If may never import one of its branches. Returns the nodes.
std::set<const onnx::NodeProto*> check_operators(const onnx::GraphProto& graph,
                                                 const OpsetImports& opsets, Findings& findings);

/// Throws if the operator of a node, or of any node in its graphs, is not supported.
void check_operators_within(const onnx::NodeProto& node, const OpsetImports& opsets);

/// Notes the types that the card computes in only if narrowing is allowed.
void check_narrowing(const onnx::GraphProto& graph, Findings& findings);

/// Throws one error for all of them, unless there are none.
void refuse_unsupported(const Findings& findings);

}  // namespace accel::compiler
