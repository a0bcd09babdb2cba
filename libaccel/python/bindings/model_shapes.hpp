// SPDX-License-Identifier: Apache-2.0
//
// The shapes of a model: for the arrays of a call, and on request.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/model.hpp>
#include <vector>

#include "model_call.hpp"

namespace accel::python {

/// The model for the shapes of these inputs, which may become dense arrays. Compiles it without the
/// GIL. A model without open dimensions is returned as it is.
[[nodiscard]] accel::Model model_for(const ModelObject& self, std::vector<nb::object>& inputs);

/// Adds specialize(), prepare() and the properties that list shapes; and ModelRequest.
void bind_model_shapes(nb::module_& module, nb::class_<ModelObject>& model);

}  // namespace accel::python
