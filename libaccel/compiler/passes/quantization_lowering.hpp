// SPDX-License-Identifier: Apache-2.0
//
// Quantization lowering.
#pragma once

#include <iosfwd>

#include "ir/program.hpp"

namespace accel::compiler {

/// The limit of a quantized bias: half of the range of the i32 accumulator, so that the sum fits.
inline constexpr double max_bias = 0x1p30;

/// Lowers products and convolutions with dequantized operands to int8 commands. The command
/// includes the DequantizeLinear before and the QuantizeLinear behind the product. Without a
/// QuantizeLinear, its result is f32.
void lower_quantization(Program& program, std::ostream* log);

}  // namespace accel::compiler
