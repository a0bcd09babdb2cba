// SPDX-License-Identifier: Apache-2.0
//
// What the shared library exports. Everything else in it is hidden, so that what is not documented
// cannot be depended on.
#pragma once

#define ACCEL_API __attribute__((visibility("default")))
