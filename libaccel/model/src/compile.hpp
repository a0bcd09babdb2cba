// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <accel/model.hpp>

#include "program.hpp"

namespace accel::model {

/// All stages after the file, the last of which puts weights and commands on the card.
[[nodiscard]] Model compile(const Device& device, Program program, std::ostream* dump = nullptr);

}  // namespace accel::model
