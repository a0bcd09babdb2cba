// SPDX-License-Identifier: Apache-2.0
//
// Compiled models as files.
#pragma once

#include <accel/model.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "ir/byte_source.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Whether the content of a file begins with the signature of a compiled model.
[[nodiscard]] bool is_compiled(std::span<const std::byte> bytes);

/// Writes the file of a compiled model. The weights are read from the card part by part, once for
/// the checksum in the header and once for the file.
void save_compiled(const CompiledModel& model, const std::filesystem::path& file);

/// Loads a model that save_compiled() wrote; `name` is the name of the file, for messages.
[[nodiscard]] Model load_compiled(const Device& device, const Bytes& file, const std::string& name,
                                  const LoadOptions& options);

}  // namespace accel::compiler
