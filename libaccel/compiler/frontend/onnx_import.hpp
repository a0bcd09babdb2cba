// SPDX-License-Identifier: Apache-2.0
//
// The import: an ONNX model becomes a program.
#pragma once

#include <accel/load_options.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "frontend/findings.hpp"
#include "ir/program.hpp"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// Imports the content of `file`: converts nodes to instructions, infers all shapes and folds
/// constants. Errors name the file and the node.
[[nodiscard]] Program import_onnx_file(std::span<const std::byte> bytes,
                                       const std::filesystem::path& file,
                                       const LoadOptions& options);

/// As import_onnx_file(), but notes all that is not supported, instead of an error for the first.
/// Throws only if the file is damaged, or is no model. The program is complete if nothing is found.
[[nodiscard]] Program check_onnx_file(std::span<const std::byte> bytes,
                                      const std::filesystem::path& file, const LoadOptions& options,
                                      Findings& findings);

/// The same as import_onnx_file() for a model without external weights; `name` is for messages.
[[nodiscard]] Program import_onnx(std::span<const std::byte> bytes, const std::string& name,
                                  const LoadOptions& options);

[[nodiscard]] Program import_onnx(const onnx::ModelProto& model, const std::string& name,
                                  const LoadOptions& options);

}  // namespace accel::compiler
