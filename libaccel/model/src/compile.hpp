// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <accel/model.hpp>

#include "program.hpp"

namespace accel::model {

/// All stages after the file, the last of which puts weights and commands on the card.
/// `shared_weights`: as LoadOptions has it.
[[nodiscard]] Model compile(const Device& device, Program program, std::ostream* dump = nullptr,
                            int shared_weights = -1);

}  // namespace accel::model
