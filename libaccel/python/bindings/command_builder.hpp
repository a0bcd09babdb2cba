// SPDX-License-Identifier: Apache-2.0
//
// Makes the Python object of a command.
#pragma once

#include <accel/accel.hpp>
#include <utility>

#include "objects.hpp"

namespace accel::python {

/// Checks and encodes a command. Throws Error(invalid_argument). `pins` is a reference, because the
/// operands of `command` may be added to it after the call names it.
template <typename T>
[[nodiscard]] CommandObject build(const T& command, Pins&& pins) {
    return {accel::Command(command), std::move(pins)};
}

}  // namespace accel::python
