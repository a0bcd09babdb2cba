// SPDX-License-Identifier: Apache-2.0
//
// The inputs of a graph, with the load options applied.
#pragma once

#include <accel/load_options.hpp>

#include <string>
#include <unordered_map>

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

/// Adds the inputs of a graph to a program, and constant inputs as constants.
void import_inputs(const onnx::GraphProto& graph, const LoadOptions& options, Builder& builder,
                   Scope& scope);

}  // namespace accel::compiler
