// SPDX-License-Identifier: Apache-2.0
//
// Helpers of the passes that rewrite a program. A pass deletes an instruction in two steps: it
// clears the operands, and remove_empty() removes all instructions without operands.
#pragma once

#include "ir/program.hpp"

namespace accel::compiler {

/// The number of instructions and outputs that read each value.
[[nodiscard]] std::vector<int> count_uses(const Program& program);

/// Removes instructions without operands, and updates Value::producer.
void remove_empty(Program& program);

/// Removes instructions that no output depends on, and updates Value::producer.
void remove_dead(Program& program);

}  // namespace accel::compiler
