// SPDX-License-Identifier: Apache-2.0
//
// Layout assignment.
#pragma once

#include "ir/command_plan.hpp"
#include "ir/program.hpp"

namespace accel::compiler {

/// Gives each value a layout in memory, and lowers instructions to commands.
///
/// Views only change strides. Convolutions and pools need the channels of a pixel next to each
/// other. Element-wise instructions keep the layout of their first operand. So an image network
/// stays in the layout of the engines from end to end. Where an engine needs another layout, this
/// pass inserts a copy.
[[nodiscard]] CommandPlan assign_layouts(const Program& program, std::ostream* log);

}  // namespace accel::compiler
