// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ir/command_plan.hpp"
#include "ir/program.hpp"

namespace accel::compiler {

/// The stage that decides how each value lies in memory, and so what becomes of instructions.
///
/// Views only change strides. Convolutions and pools want the channels of a pixel together; what
/// looks at one element at a time follows the order of its first operand; so a network of images
/// stays in the order of the engine from end to end, and copies appear where something needs
/// another order.
[[nodiscard]] Steps lay_out(const Program& program, std::ostream* dump);

}  // namespace accel::compiler
