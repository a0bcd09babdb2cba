// SPDX-License-Identifier: Apache-2.0
//
// Records the command lists of a model in the memory of the card.
#pragma once

#include <vector>

#include "runtime/recorded_list.hpp"

namespace accel::compiler {

struct CompiledModel;

/// Records the commands of a model: one list, or as many as the limits of the card need. With
/// `completions`, the argument behind the ports is an array, and each command writes its completion
/// record to the element of its number.
[[nodiscard]] std::vector<RecordedList> record_lists(const CompiledModel& model, bool completions);

/// The number of commands behind a LOOP or SKIP that belong to it; 0 for others. Stores whether the
/// command is a LOOP, unless `is_loop` is null.
[[nodiscard]] std::size_t controlled_commands(const Command& command, bool* is_loop = nullptr);

}  // namespace accel::compiler
