// SPDX-License-Identifier: Apache-2.0
//
// The import: an ONNX model becomes a program.
#pragma once

#include <accel/load_options.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "frontend/findings.hpp"
#include "ir/byte_source.hpp"
#include "ir/program.hpp"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// A model as bytes. `name` is for messages. `folder` has the files of its external weights;
/// without it, these are refused.
struct ModelSource {
    Bytes bytes;
    std::string name;
    std::optional<std::filesystem::path> folder = std::nullopt;
};

/// Imports a model: converts nodes to instructions, infers all shapes and folds constants. Errors
/// name the model and the node. Constants of the program may share the bytes of the source.
[[nodiscard]] Program import_onnx(const ModelSource& source, const LoadOptions& options);

struct ParsedModel;

/// The same for a parsed model. The program uses these constants, and adds its own to them.
[[nodiscard]] Program import_parsed(ParsedModel& model, const LoadOptions& options,
                                    std::shared_ptr<ConstantCache> constants);

/// As import_onnx(), but notes all that is not supported, instead of an error for the first. Throws
/// only if the file is damaged, or is no model. The program is complete if nothing is found.
[[nodiscard]] Program check_onnx(const ModelSource& source, const LoadOptions& options,
                                 Findings& findings);

/// The same as import_onnx() for bytes that stay until the program ends.
[[nodiscard]] Program import_onnx(std::span<const std::byte> bytes, const std::string& name,
                                  const LoadOptions& options);

/// The same for a model without external weights.
[[nodiscard]] Program import_onnx(const onnx::ModelProto& model, const std::string& name,
                                  const LoadOptions& options);

}  // namespace accel::compiler
