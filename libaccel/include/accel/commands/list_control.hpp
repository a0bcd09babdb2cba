// SPDX-License-Identifier: Apache-2.0
//
// Commands that only a CommandList may hold: they repeat or skip commands of the list, or move an
// argument of the call. They need a card with FEATURE_LOOPS.
#pragma once

#include <cstdint>

#include "accel/commands/operand.hpp"

namespace accel {

/// Runs the next `commands` commands of the list, its body, in several passes. Their number is the
/// smaller one of `limit` and of the i64 at `count`, if that is set. The loop ends before a pass if
/// the byte at `condition` is zero. Loops nest to a depth of 4. A call executes at most
/// DeviceInfo::max_list_steps commands; each pass counts as one more.
struct Loop {
    std::uint32_t commands = 0;
    std::uint64_t limit = UINT64_MAX;
    Operand count = {};      ///< 8-byte aligned, read when the loop begins; may be left out
    Operand condition = {};  ///< one byte, read before each pass; may be left out
    Operand index = {};      ///< 8-byte aligned: the card stores the number of each pass, from 0;
                             ///< may be left out
};

/// Skips the next `commands` commands of the list if the byte at `condition` is zero.
struct Skip {
    std::uint32_t commands = 0;
    Operand condition = {};
    bool if_nonzero = false;  ///< skips them if it is not zero instead
};

/// Makes `argument` of the call a slice of `base`, for the commands that follow. Slices have
/// `bytes` bytes each, and start `stride` bytes after each other. The number of the slice is the
/// pass of the innermost loop, or the i64 at `number`. The card refuses a number outside of 0 to
/// `count` - 1 with CardStatus::bad_index.
///
/// The caller does not pass this argument: it has a higher number than all that the caller passes.
struct SetArgument {
    std::uint32_t argument = 0;
    Operand base = {};
    std::uint64_t bytes = 0;  ///< that commands may use at argument()
    std::uint64_t count = 1;  ///< slices
    std::uint64_t stride = 0;
    bool reversed = false;  ///< slice 0 is the last one
    Access access = Access::read_write;
    bool by_pass = false;  ///< neither this nor `number`: the first slice
    Operand number = {};   ///< 8-byte aligned
};

}  // namespace accel
