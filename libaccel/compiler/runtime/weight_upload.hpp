// SPDX-License-Identifier: Apache-2.0
//
// The weights and the command lists of a model, in device memory. A run transfers only its inputs
// and outputs over the link.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "runtime/card_memory.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Weights that the shapes of a model share.
struct SharedWeights {
    Buffer<std::byte> memory;
    std::uint64_t bytes = 0;
    std::uint64_t fingerprint = 0;
    std::vector<WeightRange> ranges;
};

/// The place where a model finds its weights on the card.
struct WeightSource {
    /// A dma-buf of another process, or -1. The weights must be equal.
    int imported = -1;
    /// A model of this process on the same device, or null. The models share the weights, if they
    /// are equal.
    const CompiledModel* sharer = nullptr;

    // For one of several shapes of a model:

    /// Weights that are on the card, or null before the first upload. `memory` has them.
    PlacedWeights* placed = nullptr;
    const SharedWeights* memory = nullptr;
    /// Scratch memory that the shapes share.
    std::shared_ptr<ScratchPool> scratch = nullptr;
    /// Notes the weights that are uploaded. Their bytes are read back from the card when they are
    /// needed again. Null: they are not needed.
    PlacedWeights* uploaded = nullptr;
};

/// Uploads the weights, unless `source` has them, allocates scratch memory for one queue, and
/// records the command lists. Each piece of the weights is released once it is on the card, so that
/// the whole of them is never in the memory of the host. Throws if the card has too little memory.
void upload(CompiledModel& model, std::vector<WeightPiece> weights, const WeightSource& source,
            const LargestTensor& largest);

/// Reads the weights back.
[[nodiscard]] std::vector<std::byte> download_weights(const CompiledModel& model);

}  // namespace accel::compiler
