// SPDX-License-Identifier: Apache-2.0
//
// Compiled models in files.
#pragma once

#include <accel/model.hpp>

#include <span>
#include <string>

namespace accel::compiler {

/// Whether a file begins as Model::save() begins one.
[[nodiscard]] bool is_compiled(std::span<const std::byte> bytes);

/// A model that Model::save() has written; `name` is for messages.
[[nodiscard]] Model load_compiled(const Device& device, std::span<const std::byte> bytes,
                                  const std::string& name, const LoadOptions& options);

}  // namespace accel::compiler
