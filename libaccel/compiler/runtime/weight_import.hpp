// SPDX-License-Identifier: Apache-2.0
//
// Weights that another process has on the card.
#pragma once

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Maps the weights of a dma-buf read-only. Throws Error if they belong to another model.
void import_weights(CompiledModel& model, int descriptor);

}  // namespace accel::compiler
