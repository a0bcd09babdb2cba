// SPDX-License-Identifier: Apache-2.0
//
// Functions that a model defines from other operators.
#pragma once

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// Replaces each node that calls a function of the model by the nodes of this function, and removes
/// the functions. Names inside an expanded function have the name of the node in front of them.
/// Throws if functions call each other in a cycle.
void inline_functions(onnx::ModelProto& model);

}  // namespace accel::compiler
