// SPDX-License-Identifier: Apache-2.0
//
// Errors of the library and exceptions of Python, in both directions.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/accel.hpp>
#include <string>

namespace accel::python {

/// The exception of accel/_errors.py with the fields of `error`. `input` is that of
/// ConstantInputRequired.
[[nodiscard]] nanobind::object to_exception(const Error& error, const std::string& input = "");

/// The Error for an exception of a function that the library called. An exception of to_exception()
/// becomes the Error that it was made of.
[[nodiscard]] Error to_error(const nanobind::python_error& exception);

}  // namespace accel::python
