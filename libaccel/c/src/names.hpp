// SPDX-License-Identifier: Apache-2.0
//
// The names of the C interface in messages of the C++ library.
#pragma once

#include <string>
#include <string_view>

namespace accel::c {

/// The text with C names: "Queue::reset()" becomes "accel_queue_reset()".
[[nodiscard]] std::string with_c_names(std::string_view text);

}  // namespace accel::c
