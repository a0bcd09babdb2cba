// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <accel/model.hpp>

#include "ir/program.hpp"

namespace accel::compiler {

/// All stages after the file, the last of which puts weights and commands on the card.
/// `imported_weights`: as LoadOptions has it.
[[nodiscard]] Model compile(const Device& device, Program program, std::ostream* dump = nullptr,
                            int imported_weights = -1);

}  // namespace accel::compiler
