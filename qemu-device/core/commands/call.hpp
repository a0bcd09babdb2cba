// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// CALL runs a command list: the checks of a CALL, its arguments, and how the commands of the list
// refer to them.
#pragma once

#include <array>
#include <cstdint>

#include "accel_hw.h"
#include "memory.hpp"

namespace accel::card {

// A CALL in progress: its list, its position in the list, and its arguments.
struct CallState {
    bool active = false;
    std::uint32_t index = 0;
    std::uint64_t start = 0;
    accel_command command{};
    std::array<std::uint64_t, ACCEL_CALL_ARGS_MAX> arguments{};
    std::uint32_t argument_count = 0;
};

// Checks a CALL and loads its arguments. The commands of the list are fetched later.
[[nodiscard]] Status start_call(const accel_command& command, std::uint32_t max_commands,
                                Memory& memory, CallState& call);

// Replaces references to arguments in a command of a list by context addresses. `addresses`: the
// mask of its Operation.
[[nodiscard]] Status resolve_arguments(const CallState& call, std::uint8_t addresses,
                                       accel_command& command);

}  // namespace accel::card
