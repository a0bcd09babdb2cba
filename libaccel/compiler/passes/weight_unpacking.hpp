// SPDX-License-Identifier: Apache-2.0
//
// The pass `unpack-weights`: the card stores weights in their small types, and each run converts
// them before their product.
#pragma once

#include <iosfwd>

#include "ir/program.hpp"

namespace accel::compiler {

/// Products read their constant operands from instructions on stored constants, where there are
/// some. All other users keep the constants.
void unpack_weights(Program& program, std::ostream* log);

}  // namespace accel::compiler
