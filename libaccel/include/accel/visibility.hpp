// SPDX-License-Identifier: Apache-2.0
//
// ACCEL_API marks the symbols that the shared library exports. All others are hidden, so no program
// can depend on an undocumented one.
#pragma once

#define ACCEL_API __attribute__((visibility("default")))
/// A class within an exported one that is not for programs.
#define ACCEL_LOCAL __attribute__((visibility("hidden")))
