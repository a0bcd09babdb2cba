// SPDX-License-Identifier: Apache-2.0
//
// The weights and the command lists of a model, in device memory. A run transfers only its inputs
// and outputs over the link.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "runtime/card_memory.hpp"
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

/// Uploads the weights, unless `source` has them, allocates scratch memory for one queue, and
/// records the command lists. Each piece of the weights is released once it is on the card, so that
/// the whole of them is never in the memory of the host. Throws if the card has too little memory.
void upload(CompiledModel& model, std::vector<WeightPiece> weights, const WeightSource& source,
            const LargestTensor& largest);

/// Reads the weights back, in their order, and calls visit(bytes) for each part.
void download_weights(const CompiledModel& model,
                      const std::function<void(std::span<const std::byte>)>& visit);

}  // namespace accel::compiler
