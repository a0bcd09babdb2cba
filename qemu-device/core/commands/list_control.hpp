// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The commands that only a list may hold: LOOP, SKIP and SET_ARGUMENT. They need no engine.
//
// A loop in progress is executed again before each of its passes, as a command of the list. So each
// pass takes device time, counts as a step, and may be preempted, even if the body is empty.
#pragma once

#include "call.hpp"

namespace accel::card {

// The outcome of a LOOP: a pass begins, or the loop ends.
struct Pass {
    bool begins = false;
    std::uint64_t loop_start = 0;  // the tick at which the loop began
};

// Starts a loop, or continues it between two passes. Then continues the call in the body, or leaves
// the loop, whose command is then to be finished. `now` is the tick at which the command began.
[[nodiscard]] Status run_loop(const accel_command& command, std::uint64_t now, Memory& memory,
                              CallState& call, Pass& pass);

// `skipped` is the number of commands behind the SKIP that are not executed.
[[nodiscard]] Status run_skip(const accel_command& command, Memory& memory, const CallState& call,
                              std::uint32_t& skipped);

[[nodiscard]] Status run_set_argument(const accel_command& command, Memory& memory,
                                      CallState& call);

}  // namespace accel::card
