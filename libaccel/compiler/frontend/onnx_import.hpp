// SPDX-License-Identifier: Apache-2.0
//
// The first stage: an ONNX file becomes a program.
#pragma once

#include <accel/model.hpp>

#include "ir/program.hpp"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// Reads a model that `file` holds, infers all shapes and folds constants. Errors name the file and
/// the node.
[[nodiscard]] Program read_onnx_file(std::span<const std::byte> bytes,
                                     const std::filesystem::path& file, const LoadOptions& options);

/// The same without weights in other files; `name` is for messages.
[[nodiscard]] Program read_onnx(std::span<const std::byte> bytes, const std::string& name,
                                const LoadOptions& options);

[[nodiscard]] Program read_onnx(const onnx::ModelProto& model, const std::string& name,
                                const LoadOptions& options);

}  // namespace accel::compiler
