// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>

#include "ir/program.hpp"

namespace accel::compiler {

/// A bias takes half of the range of a sum at the most: the sum needs room, too.
inline constexpr double most_bias = 0x1p30;

/// The stage that makes products and convolutions of bytes of those whose f32 operands stand for
/// bytes: DequantizeLinear before and QuantizeLinear behind become part of one command. Without
/// QuantizeLinear behind, the command gives f32.
void use_bytes(Program& program, std::ostream* dump);

}  // namespace accel::compiler
