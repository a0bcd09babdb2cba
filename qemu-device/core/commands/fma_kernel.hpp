// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The inner loop of depthwise convolutions and of RESIZE, for each supported instruction set.
#pragma once

#include <cstddef>

namespace accel::card {

// sums[i] = fma(a[i], b[i], sums[i]). Each has one rounding, so vector width changes no result.
using FmaKernel = void (*)(float* sums, const float* a, const float* b, std::size_t count);

// The fastest kernel for this machine.
[[nodiscard]] FmaKernel fma_kernel();

}  // namespace accel::card
