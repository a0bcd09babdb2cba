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

/// The place where a model finds its weights on the card.
struct WeightSource {
    /// A dma-buf of another process, or -1. The weights must be equal.
    int imported = -1;
    /// A model of this process on the same device, or null. The models share the weights, if they
    /// are equal.
    const CompiledModel* sharer = nullptr;
};

/// Records the command list, and uploads the weights, unless `source` has them.
void upload(CompiledModel& model, std::span<const std::byte> weights, const WeightSource& source);

/// Reads the weights back.
[[nodiscard]] std::vector<std::byte> download_weights(const CompiledModel& model);

}  // namespace accel::compiler
