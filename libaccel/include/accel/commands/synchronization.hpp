// SPDX-License-Identifier: Apache-2.0
//
// Commands that order queues against each other. Semaphore makes the latter two.
#pragma once

#include <cstdint>

#include "accel/commands/operand.hpp"

namespace accel {

/// Does nothing: its job is over when all earlier commands of the queue are.
struct Nop {};

/// Holds the queue until the 64-bit word at `word` is at least `value`.
struct Wait {
    Operand word = {};  ///< 8-byte aligned
    std::uint64_t value = 0;
};

/// Stores `value` in the 64-bit word at `word`, after all earlier commands of the queue.
struct Signal {
    Operand word = {};  ///< 8-byte aligned
    std::uint64_t value = 0;
};

}  // namespace accel
