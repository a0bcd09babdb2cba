// SPDX-License-Identifier: Apache-2.0
//
// What the files of quantized operators share.
#pragma once

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

/// The zero point of an input, which must be constant and one for all channels; 0 if the node does
/// not have the input.
[[nodiscard]] std::int16_t zero_point(const Node& n, std::size_t i);

}  // namespace accel::compiler
