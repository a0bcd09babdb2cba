// SPDX-License-Identifier: Apache-2.0
//
// The memory of weights that other processes may import.
#pragma once

#include <accel/file_descriptor.hpp>

#include <cstdint>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// The bytes of device memory for the weights of a model, and for what is behind them.
[[nodiscard]] std::uint64_t weights_memory_bytes(const CompiledModel& model);

/// Exports the weights, with their directory. See Model::export_weights().
[[nodiscard]] FileDescriptor export_weights(const CompiledModel& model);

}  // namespace accel::compiler
