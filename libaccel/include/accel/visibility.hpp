// SPDX-License-Identifier: Apache-2.0
//
// ACCEL_API marks the symbols that the shared library exports. All others are hidden, so no program
// can depend on an undocumented one.
#pragma once

#define ACCEL_API __attribute__((visibility("default")))
