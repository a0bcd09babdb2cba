// SPDX-License-Identifier: Apache-2.0
//
// Runs of a model in which the time of each command is measured.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/argument_binding.hpp"
#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Runs all commands, each with a completion record. Returns the ticks of each command.
[[nodiscard]] std::vector<std::uint64_t> profile_commands(CompiledModel& model, Queue& queue,
                                                          const Bindings& bindings);

}  // namespace accel::compiler
