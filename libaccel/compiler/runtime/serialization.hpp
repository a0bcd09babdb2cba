// SPDX-License-Identifier: Apache-2.0
//
// Compiled models as files.
#pragma once

#include <accel/model.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ir/byte_source.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Whether the content of a file begins with the signature of a compiled model.
[[nodiscard]] bool is_compiled(std::span<const std::byte> bytes);

/// The content of the file of a compiled model, with all shapes that are compiled.
[[nodiscard]] std::vector<std::byte> serialize(const ModelState& model);

/// Loads a model that serialize() wrote; `name` is the name of the file, for messages.
[[nodiscard]] Model load_compiled(const Device& device, const Bytes& file, const std::string& name,
                                  const LoadOptions& options);

}  // namespace accel::compiler
