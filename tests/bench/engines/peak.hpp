// SPDX-License-Identifier: Apache-2.0
//
// The peak rates of one core of this machine. The first call of each function measures its rate.
#pragma once

namespace accel::bench {

/// f32 multiply-adds per second, with all operands in registers.
[[nodiscard]] double peak_macs();

/// Bytes per second that a copy of 64 MiB reads and writes.
[[nodiscard]] double peak_bytes();

}  // namespace accel::bench
