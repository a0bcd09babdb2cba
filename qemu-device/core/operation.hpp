// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The table of commands, as the processor needs it. A new command is one file in commands/ and one
// row in operation.cpp.
#pragma once

#include <cstdint>

#include "commands/execution.hpp"
#include "engine.hpp"

namespace accel::card {

struct Operation {
    std::uint8_t opcode;
    Engine engine;
    std::uint8_t addresses;  // bit i: words[i] is an address
    bool uses_variant;       // otherwise `variant` must be zero
    // Checks and runs a command on an engine. Null: the processor runs it itself.
    Status (*run)(Execution&);
};

// Null: there is no such command.
[[nodiscard]] const Operation* find_operation(std::uint8_t opcode);

}  // namespace accel::card
