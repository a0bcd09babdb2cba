// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>

#include "ir/program.hpp"

namespace accel::compiler {

/// The stage after folding: what an engine does in one go becomes one instruction - a convolution
/// or a product with its scale, bias, residual and activation -, and what nothing needs goes.
void fuse(Program& program, std::ostream* dump);

}  // namespace accel::compiler
