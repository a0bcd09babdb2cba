// SPDX-License-Identifier: Apache-2.0
//
// The state of an emulated card, which has neither sysfs nor sensors: from the SDK.
#pragma once

#include "status.hpp"

namespace accel::tools {

/// Opens the card. Its state is "emulated". Throws Error.
[[nodiscard]] Status emulated_status(const Card& card);

}  // namespace accel::tools
