// SPDX-License-Identifier: Apache-2.0
//
// Weights that another process has on the card.
#pragma once

#include "runtime/compiled_model.hpp"
#include "runtime/weight_upload.hpp"

namespace accel::compiler {

/// Maps the weights of a dma-buf read-only. Throws Error if they belong to another model.
void import_weights(CompiledModel& model, int descriptor);

/// The same for a model that has several shapes: adds the weights to `placed`, by their checksums.
[[nodiscard]] SharedWeights import_weights(const Device& device, int descriptor,
                                           PlacedWeights& placed);


}  // namespace accel::compiler
