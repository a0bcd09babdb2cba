// SPDX-License-Identifier: Apache-2.0
//
// The first stage: an ONNX file becomes a program.
#pragma once

#include <accel/model.hpp>

#include "program.hpp"

namespace accel::model {

/// Reads a model, infers all shapes and folds constants. Errors name the file and the node.
[[nodiscard]] Program read_onnx(const std::filesystem::path& file, const LoadOptions& options);

/// The same from memory; `name` is for messages.
[[nodiscard]] Program read_onnx(std::span<const std::byte> bytes, const std::string& name,
                                const LoadOptions& options);

/// A tensor of a file as onnx's test data has them.
[[nodiscard]] TensorData read_tensor_file(const std::filesystem::path& file);

}  // namespace accel::model
