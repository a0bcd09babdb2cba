// SPDX-License-Identifier: Apache-2.0
//
// Parsed ONNX models, whose large tensors stay in their files.
#pragma once

#include <onnx.pb.h>

#include <filesystem>
#include <optional>
#include <string>

#include "frontend/weight_files.hpp"
#include "ir/byte_source.hpp"

namespace accel::compiler {

/// A parsed model. Its large tensors are external, and `weights` has their elements.
struct ParsedModel {
    onnx::ModelProto proto;
    WeightFiles weights;
};

/// Parses a model; `name` is for messages. `folder` has the files of its external weights; without
/// it, these are refused when they are read. The bytes of `file` must stay as they are.
[[nodiscard]] ParsedModel parse_model(const Bytes& file, const std::string& name,
                                      std::optional<std::filesystem::path> folder = std::nullopt);

/// The same for a file and the files beside it.
[[nodiscard]] ParsedModel parse_model_file(const std::filesystem::path& file);

}  // namespace accel::compiler
