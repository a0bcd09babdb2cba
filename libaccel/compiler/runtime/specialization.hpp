// SPDX-License-Identifier: Apache-2.0
//
// The shapes of a model, as the members of Model use them.
#pragma once

#include <accel/model.hpp>

#include <memory>
#include <span>
#include <vector>

#include "runtime/compiled_model.hpp"

namespace accel::compiler {

/// The shape of a run with these inputs: that of the model, or another one, which may be compiled
/// first. Inputs that fit none are for bind_arguments() to refuse.
[[nodiscard]] std::shared_ptr<CompiledModel> shape_of_run(const ModelState& model,
                                                          std::span<const TensorData> inputs);

/// A shape that is compiled. Throws if there is none.
[[nodiscard]] std::shared_ptr<CompiledModel> with_shape(const ModelState& model);

[[nodiscard]] std::vector<OpenDimension> open_dimensions(const ModelState& model);
[[nodiscard]] Model specialize(const ModelState& model, const ModelShape& shape);
[[nodiscard]] std::vector<Model> specializations(const ModelState& model);

/// Compiles a shape in the background. `made` gets it.
[[nodiscard]] Request prepare(const ModelState& model, const ModelShape& shape,
                              std::shared_ptr<std::shared_ptr<CompiledModel>> made);

}  // namespace accel::compiler
