// SPDX-License-Identifier: Apache-2.0
//
// From a file to a model on a card.
#pragma once

#include <accel/model.hpp>

#include <filesystem>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// As Model::load(). The model shares the weights of `sharer`, a model on the same device, if they
/// are equal; null: none.
[[nodiscard]] Model load_model(const Device& device, const std::filesystem::path& file,
                               const LoadOptions& options, const CompiledModel* sharer);

}  // namespace accel::compiler
