// SPDX-License-Identifier: Apache-2.0
//
// Controls: each provokes a known complaint of the kernel (known.toml) without our driver.
#include <gtest/gtest.h>

#include "injection.hpp"

int main() { return 0; }
