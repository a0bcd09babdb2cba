// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// CALL runs a command list: the checks of a CALL, its arguments, and how the commands of the list
// refer to them. list_control.hpp has the commands that change the order or the arguments.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "accel_hw.h"
#include "memory.hpp"

namespace accel::card {

// A LOOP in progress.
struct LoopState {
    accel_command command{};  // with its addresses resolved
    std::uint32_t at = 0;     // its place in the list
    std::uint64_t count = 0;  // passes that it may make
    std::uint64_t pass = 0;   // passes that ended
    std::uint64_t start = 0;  // the tick at which it began

    // The place behind its body.
    [[nodiscard]] std::uint32_t end() const { return at + 1 + command.loop.commands; }
};

// A CALL in progress: its list, its position in the list, and its arguments.
struct CallState {
    bool active = false;
    std::uint32_t index = 0;
    std::uint64_t start = 0;
    std::uint64_t steps = 0;  // commands that it executed
    accel_command command{};
    std::array<std::uint64_t, ACCEL_CALL_ARGS_MAX> arguments{};
    std::bitset<ACCEL_CALL_ARGS_MAX> supplied;  // arguments that have a value
    std::array<LoopState, ACCEL_LOOP_DEPTH> loops{};
    std::uint32_t depth = 0;  // of the loops in progress

    // The innermost loop. `depth` is not zero.
    [[nodiscard]] LoopState& loop() { return loops[depth - 1]; }
    // Whether the next command is a loop in progress, between two of its passes.
    [[nodiscard]] bool between_passes() const { return depth != 0 && loops[depth - 1].at == index; }
    // The place behind the last command of the innermost body, or of the list.
    [[nodiscard]] std::uint32_t end() const {
        return depth != 0 ? loops[depth - 1].end() : command.call.count;
    }
    // Continues at a place in the innermost body, or at its end: then with its loop.
    void continue_at(std::uint32_t place) {
        index = depth != 0 && place == end() ? loop().at : place;
    }
};

// Checks a CALL and loads its arguments. The commands of the list are fetched later.
[[nodiscard]] Status start_call(const accel_command& command, std::uint32_t max_commands,
                                Memory& memory, CallState& call);

// Replaces a reference to an argument by a context address.
[[nodiscard]] Status resolve_argument(const CallState& call, __le64& address);

// Replaces references to arguments in a command of a list by context addresses. `addresses`: the
// mask of its Operation.
[[nodiscard]] Status resolve_arguments(const CallState& call, std::uint8_t addresses,
                                       accel_command& command);

}  // namespace accel::card
