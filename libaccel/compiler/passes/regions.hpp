// SPDX-License-Identifier: Apache-2.0
//
// Regions of a program: the bodies of loops and the branches.
#pragma once

#include <vector>

#include "ir/program.hpp"

namespace accel::compiler {

/// For each instruction the index of the begin of the innermost region that contains it, or -1. The
/// begin and the end of a region are outside of it.
[[nodiscard]] std::vector<int> regions_of(const Program& program);

[[nodiscard]] bool begins_region(const Operation& operation);
[[nodiscard]] bool assigns_variable(const Operation& operation);

}  // namespace accel::compiler
