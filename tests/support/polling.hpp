// SPDX-License-Identifier: Apache-2.0
//
// Polling for a condition that must come true, under the names that tests use.
#pragma once

#include "emulated/polling.hpp"

namespace accel::test {

using emulated::eventually;
using emulated::hang_limit;

}  // namespace accel::test
