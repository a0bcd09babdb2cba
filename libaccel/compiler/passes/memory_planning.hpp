// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <accel/model.hpp>

#include "ir/command_plan.hpp"

namespace accel::compiler {

/// The stage that gives every store its offset: weights one after another, scratch where nothing
/// else is needed at that time. A result takes the place of a source that nobody needs after it, so
/// that many commands work in place and some copies vanish.
[[nodiscard]] MemoryUse plan(Steps& steps, std::ostream* dump);

}  // namespace accel::compiler
