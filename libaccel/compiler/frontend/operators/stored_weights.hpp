// SPDX-License-Identifier: Apache-2.0
//
// Weights in small types: the card stores them packed, and each run unpacks them.
#pragma once

#include "frontend/operator_table.hpp"

namespace accel::compiler {

/// With fewer elements, the commands cost more than the memory is worth.
inline constexpr std::int64_t min_stored_elements = 1024;

/// Whether weights are large enough to be converted in each run, instead of once by the compiler.
[[nodiscard]] bool is_worth_storing(const Tensor& weights);

/// The elements of a constant that the card stores packed, with as many elements in a byte as fit.
/// Instructions unpack it in each run: they are not folded.
[[nodiscard]] ValueId unpacked_on_card(const Node& n, const Constant& weights);

}  // namespace accel::compiler
