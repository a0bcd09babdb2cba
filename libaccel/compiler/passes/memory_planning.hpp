// SPDX-License-Identifier: Apache-2.0
//
// Memory planning.
#pragma once

#include <accel/model_info.hpp>

#include <iosfwd>

#include "ir/command_plan.hpp"

namespace accel::compiler {

/// Gives every slot an offset. Weights follow one another. Scratch slots share memory if their
/// lifetimes do not overlap. A result reuses the memory of a source that has no later reader, so
/// that many commands execute in place and some copies disappear.
/// A value from before a loop lives until the end of the loop if a command of the body reads it.
[[nodiscard]] MemoryUse plan_memory(CommandPlan& plan, std::ostream* log);

}  // namespace accel::compiler
