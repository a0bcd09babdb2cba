// SPDX-License-Identifier: Apache-2.0
//
// ONNX files: protobuf messages, with weights inside or in files beside them.
#pragma once

#include <accel/tensor.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// Parses a model without its external weights; `name` is for messages.
[[nodiscard]] onnx::ModelProto parse_model(std::span<const std::byte> bytes,
                                           const std::string& name);

/// Reads a model with all its weights, external ones included.
[[nodiscard]] onnx::ModelProto read_model(const std::filesystem::path& file);
/// The same, with the content of `file`.
[[nodiscard]] onnx::ModelProto read_model(std::span<const std::byte> bytes,
                                          const std::filesystem::path& file);

/// The inputs that a model declares, without its weights.
[[nodiscard]] std::vector<TensorInfo> describe_inputs(const std::filesystem::path& file);

/// Reads a file with one tensor, the format of ONNX's test data.
[[nodiscard]] TensorData read_tensor_file(const std::filesystem::path& file);

}  // namespace accel::compiler
