// SPDX-License-Identifier: Apache-2.0
//
// Memory planning.
#pragma once

#include <accel/model_info.hpp>

#include <iosfwd>

#include "ir/command_plan.hpp"
#include "ir/placed_weights.hpp"

namespace accel::compiler {

/// Gives every slot an offset. Weights follow one another. Scratch slots share memory if their
/// lifetimes do not overlap. A result reuses the memory of a source that has no later reader, so
/// that many commands execute in place and some copies disappear. `placed`: weights that are on the
/// card already. The others are then weights of this shape. Null: the card has none yet.
[[nodiscard]] MemoryUse plan_memory(CommandPlan& plan, std::ostream* log,
                                    PlacedWeights* placed = nullptr);

}  // namespace accel::compiler
