// SPDX-License-Identifier: GPL-2.0
//
// CALL: its checks, its arguments, and how a command of its list names them.
#pragma once

#include "operation.hpp"

namespace accel::card {

// Checks a CALL and loads its arguments; the list is fetched later, command by command.
[[nodiscard]] Status start_call(const accel_command& command, std::uint32_t limit, Memory& memory,
                                CallState& call);

// Replaces argument references by context addresses in a command of a list.
[[nodiscard]] Status resolve_arguments(const CallState& call, const Operation& operation,
                                       accel_command& command);

}  // namespace accel::card
