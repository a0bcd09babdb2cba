// SPDX-License-Identifier: Apache-2.0
//
// Submission of a model's command lists.
#pragma once

#include <span>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Submits lists of the model together. `ports` are its inputs, and then the outputs of its
/// commands. If the lists write completion records, a last element of `ports` is the array for
/// them. The job is that of the last list. If a list fails, those behind it do not run.
Job submit_lists(CompiledModel& model, Queue& queue, std::span<const RecordedList> lists,
                 std::span<const Operand> ports);

/// Waits for a job of submit_lists(). An error of a command names the node that it implements.
void wait_for_run(const CompiledModel& model, std::span<const RecordedList> lists, const Job& job);

}  // namespace accel::compiler
