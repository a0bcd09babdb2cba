// SPDX-License-Identifier: Apache-2.0
//
// Operator fusion.
#pragma once

#include <iosfwd>

#include "ir/program.hpp"

namespace accel::compiler {

/// Merges the scale, bias, residual and activation behind a convolution or product into that
/// instruction, because the engine computes them in one command. Removes instructions without
/// users.
void fuse(Program& program, std::ostream* log);

}  // namespace accel::compiler
