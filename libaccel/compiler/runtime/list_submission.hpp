// SPDX-License-Identifier: Apache-2.0
//
// Submission of a model's command list.
#pragma once

#include <span>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Submits a list with scratch memory, the weights, and then `ports` as arguments.
Job submit_list(CompiledModel& model, Queue& queue, const CommandList& list,
                std::span<const Operand> ports);

/// Waits for a job of submit_list(). An error of a command names the node that it implements.
void wait_for_run(const CompiledModel& model, const Job& job);

}  // namespace accel::compiler
