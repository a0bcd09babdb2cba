// SPDX-License-Identifier: Apache-2.0
//
// Writes a model whose large tensors are not in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "frontend/parsed_model.hpp"

namespace accel::compiler {

/// The location of tensors in the temporary file of the quantizer. As a path it would be absolute,
/// so no model can name a file of this name.
inline constexpr std::string_view quantized_location = "//quantized";

/// Makes a tensor external: its elements are at this place.
void set_external(onnx::TensorProto& tensor, const std::string& location, std::uint64_t offset,
                  std::uint64_t length);

/// Writes an ONNX file, and copies its external tensors part by part. They are in the file itself;
/// or, if `external` is set or the file would exceed 2 GiB, in a second file beside it, with
/// ".data" behind its name. Throws Error, and leaves an old file as it is.
void write_onnx(ParsedModel& model, const std::filesystem::path& file, bool external);

}  // namespace accel::compiler
