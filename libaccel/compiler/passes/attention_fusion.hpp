// SPDX-License-Identifier: Apache-2.0
//
// The pass `fuse-attention`: two products with a softmax between them become op::Attention.
#pragma once

#include <iosfwd>

#include "ir/program.hpp"

namespace accel::compiler {

/// `log` may be null.
void fuse_attention(Program& program, std::ostream* log);

}  // namespace accel::compiler
