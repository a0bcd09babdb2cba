// SPDX-License-Identifier: Apache-2.0
//
// Options of the library as keywords of Python. accel/_types.py has their types.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/accel.hpp>
#include <accel/load_options.hpp>
#include <string_view>

namespace accel::python {

/// A constant input of a model: an array of any kind.
[[nodiscard]] TensorData to_constant(nanobind::handle value);

/// Takes priority, entries, spin or time_limit. Returns false if `name` is none of these.
[[nodiscard]] bool set_queue_option(QueueOptions& options, std::string_view name,
                                    nanobind::handle value);

/// Takes an option of Model.load(), except log. Returns false if `name` is none of these.
[[nodiscard]] bool set_load_option(LoadOptions& options, std::string_view name,
                                   nanobind::handle value);

/// Shapes of a model: each a dict of lengths by dimension, or of shapes by input.
[[nodiscard]] std::vector<ModelShape> to_model_shapes(nanobind::handle shapes);

/// Raises TypeError for a keyword that no option has.
[[noreturn]] void refuse_keyword(std::string_view name);

}  // namespace accel::python
