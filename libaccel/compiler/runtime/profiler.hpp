// SPDX-License-Identifier: Apache-2.0
//
// Runs of a model in which the time of each command is measured.
#pragma once

#include <vector>

#include "runtime/argument_binding.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Runs all commands. Returns the completion record of each command. A command in a loop has the
/// time of all its passes, estimated from the last pass, and a LOOP has the rest of its time.
[[nodiscard]] std::vector<CompletionRecord> profile_commands(CompiledModel& model, Queue& queue,
                                                             const Bindings& bindings);

}  // namespace accel::compiler
