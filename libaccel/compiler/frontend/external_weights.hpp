// SPDX-License-Identifier: Apache-2.0
//
// Weights in files beside the model ("external data" of ONNX).
#pragma once

#include <filesystem>

namespace onnx {
class GraphProto;
}  // namespace onnx

namespace accel::compiler {

/// Loads all external tensors of a graph, from files in `folder` or below.
void load_external_weights(onnx::GraphProto& graph, const std::filesystem::path& folder);

}  // namespace accel::compiler
