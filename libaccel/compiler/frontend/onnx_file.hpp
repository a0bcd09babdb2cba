// SPDX-License-Identifier: Apache-2.0
//
// ONNX files: messages of protobuf, and weights in files beside them.
#pragma once

#include <accel/model.hpp>

#include <string>

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// Throws Error that names the file.
[[nodiscard]] std::vector<std::byte> read_file(const std::filesystem::path& file);

/// Replaces a file as a whole: nothing is lost if that fails. Throws Error that names the file.
void write_file(const std::filesystem::path& file, std::span<const std::byte> bytes);

/// `name` is for messages.
[[nodiscard]] onnx::ModelProto parse_model(std::span<const std::byte> bytes,
                                           const std::string& name);

/// A model with all its weights: also those in files of its folder.
[[nodiscard]] onnx::ModelProto read_model(const std::filesystem::path& file);
/// The same of a file that has been read.
[[nodiscard]] onnx::ModelProto read_model(std::span<const std::byte> bytes,
                                          const std::filesystem::path& file);

/// A tensor of a file as onnx's test data has them.
[[nodiscard]] TensorData read_tensor_file(const std::filesystem::path& file);

}  // namespace accel::compiler
