// SPDX-License-Identifier: Apache-2.0
//
// What the stages that rewrite a program share. An instruction without operands is one that a
// stage has taken away and remove_empty() removes.
#pragma once

#include "ir/program.hpp"

namespace accel::compiler {

/// How many instructions and outputs read each value.
[[nodiscard]] std::vector<int> count_uses(const Program& program);

/// Also brings Value::producer up to date, as the other does.
void remove_empty(Program& program);

/// Takes away what no output needs.
void remove_dead(Program& program);

}  // namespace accel::compiler
