// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The kinds of engine of the card. Queues, meters and the table of commands refer to them.
#pragma once

#include <cstdint>

namespace accel::card {

// The kind of engine that runs a command. Control commands (NOP, CALL, WAIT, SIGNAL) need no engine
// of their own (`none`): the engine that holds the queue runs them.
enum class Engine : std::uint8_t { dma, compute, none };

// How many kinds have an engine. Arrays with an entry for each are indexed by Engine.
inline constexpr unsigned engine_count = 2;

}  // namespace accel::card
