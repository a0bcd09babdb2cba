// SPDX-License-Identifier: Apache-2.0
//
// ONNX files: protobuf messages, with weights inside or in files beside them.
#pragma once

#include <accel/tensor.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include "ir/byte_source.hpp"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// Reads a model with all its weights, external ones included.
[[nodiscard]] onnx::ModelProto read_model(const std::filesystem::path& file);

/// The inputs that a model declares, without its weights; `name` is for messages.
[[nodiscard]] std::vector<TensorInfo> describe_inputs(const Bytes& file, const std::string& name);

/// Reads a file with one tensor, the format of ONNX's test data.
[[nodiscard]] TensorData read_tensor_file(const std::filesystem::path& file);

}  // namespace accel::compiler
