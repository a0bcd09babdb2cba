// SPDX-License-Identifier: Apache-2.0
//
// The inputs of a graph, with the load options applied.
#pragma once

#include <accel/load_options.hpp>

#include <optional>
#include <string>
#include <unordered_map>

#include "frontend/findings.hpp"
#include "ir/builder.hpp"

namespace onnx {
class GraphProto;
}  // namespace onnx

namespace accel::compiler {

/// The values of names in a graph.
using Scope = std::unordered_map<std::string, ValueId>;

/// Throws if an option names an input or a dimension that the model does not have: a typing error
/// would have no effect otherwise.
void check_options(const onnx::GraphProto& graph, const LoadOptions& options);

/// Throws if LoadOptions::open_dimensions leaves out a dimension that no option gives a length.
void check_open_dimensions(const onnx::GraphProto& graph, const LoadOptions& options);

/// Adds the inputs of a graph to a program, and constant inputs as constants. With `findings`, it
/// notes what is not supported there, and leaves these inputs out of the scope.
void import_inputs(const onnx::GraphProto& graph, const LoadOptions& options, Builder& builder,
                   Scope& scope, Findings* findings = nullptr);

/// The type and shape that a graph states for the output of a node, if it states all lengths, and
/// the card supports the type.
[[nodiscard]] std::optional<TensorInfo> stated_shape(const onnx::GraphProto& graph,
                                                     const std::string& name);

}  // namespace accel::compiler
