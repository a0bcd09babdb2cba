// SPDX-License-Identifier: GPL-2.0
//
// The inner loop of a convolution channel by channel, for the instruction sets we know.
#pragma once

#include <cstddef>

namespace accel::card {

// sums[i] = fma(a[i], b[i], sums[i]): one rounding each, so width changes no result.
using FmaKernel = void (*)(float* sums, const float* a, const float* b, std::size_t count);

// The fastest one for this machine.
[[nodiscard]] FmaKernel fma_kernel();

}  // namespace accel::card
