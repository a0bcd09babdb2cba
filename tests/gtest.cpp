// SPDX-License-Identifier: Apache-2.0
//
// The one source of the library that carries the precompiled headers of the tests.
#include <gtest/gtest.h>
