// SPDX-License-Identifier: Apache-2.0
//
// The weights and the command list of a model, in device memory. A run transfers only its inputs
// and outputs over the link.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Records the command list, and uploads the weights. If `imported` is a dma-buf, imports the
/// weights of another process instead; they must be equal.
void upload(CompiledModel& model, std::span<const std::byte> weights, int imported);

/// Reads the weights back.
[[nodiscard]] std::vector<std::byte> download_weights(const CompiledModel& model);

}  // namespace accel::compiler
