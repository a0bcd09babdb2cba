// SPDX-License-Identifier: Apache-2.0
//
// From a file, or bytes in memory, to a model on a card.
#pragma once

#include <accel/model.hpp>

#include <cstddef>
#include <filesystem>
#include <span>

#include "frontend/onnx_import.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// As Model::load(). The model shares the weights of `sharer`, a model on the same device, if they
/// are equal; null: none.
[[nodiscard]] Model load_model(const Device& device, const ModelSource& source,
                               const LoadOptions& options, const CompiledModel* sharer);

/// The content of a file as the source of a model.
[[nodiscard]] ModelSource model_file(const std::filesystem::path& file);
/// The same for bytes in memory, which must stay while the source is in use.
[[nodiscard]] ModelSource model_in_memory(std::span<const std::byte> bytes,
                                          const std::filesystem::path& folder);

}  // namespace accel::compiler
