// SPDX-License-Identifier: Apache-2.0
//
// ONNX files: protobuf messages, with weights inside or in files beside them.
#pragma once

#include <accel/tensor.hpp>

#include <onnx.pb.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

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

/// Reads a model with all its weights, external ones included.
[[nodiscard]] onnx::ModelProto read_model(const std::filesystem::path& file);

/// The inputs that a model declares, without its weights; `name` is for messages.
[[nodiscard]] std::vector<TensorInfo> describe_inputs(const Bytes& file, const std::string& name);

/// Reads a file with one tensor, the format of ONNX's test data.
[[nodiscard]] TensorData read_tensor_file(const std::filesystem::path& file);

}  // namespace accel::compiler
