// SPDX-License-Identifier: Apache-2.0
//
// Execution of the host fallback. frontend/host_fallback.hpp collects its nodes.
#pragma once

#include <vector>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// Computes the host fallback of a run, if there is one. `outputs` are those of the commands.
/// Returns the outputs of the model.
[[nodiscard]] std::vector<TensorData> finish_on_host(const CompiledModel& model, Queue& queue,
                                                     std::vector<TensorData> outputs);

}  // namespace accel::compiler
