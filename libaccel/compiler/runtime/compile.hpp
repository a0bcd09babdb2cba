// SPDX-License-Identifier: Apache-2.0
//
// From a program to a model on a card.
#pragma once

#include <accel/model.hpp>

#include "codegen/pipeline.hpp"
#include "ir/program.hpp"
#include "runtime/weight_upload.hpp"

namespace accel::compiler {

/// Compiles a program and uploads its weights and commands.
[[nodiscard]] Model compile(const Device& device, Program program, std::ostream* log = nullptr,
                            const WeightSource& weights = {});

/// The same for a model that has several shapes.
[[nodiscard]] std::shared_ptr<CompiledModel> compile_shape(const Device& device, Program program,
                                                           std::ostream* log,
                                                           const WeightSource& weights);

}  // namespace accel::compiler
