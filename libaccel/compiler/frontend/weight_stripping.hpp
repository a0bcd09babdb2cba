// SPDX-License-Identifier: Apache-2.0
//
// Copies of serialized models without their large tensors, so that Protocol Buffers does not copy
// these.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace accel::compiler {

/// The bytes of a serialized model in which large tensors are external: their location is
/// model_location (weight_files.hpp), and their offset is that in `model`. Nothing if the bytes are
/// no sequence of protobuf fields, which is for the parser to report.
[[nodiscard]] std::optional<std::string> strip_weights(std::span<const std::byte> model);

}  // namespace accel::compiler
