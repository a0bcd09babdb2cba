// SPDX-License-Identifier: Apache-2.0
//
// What one core of this machine can do at the most, measured when it is first asked for.
#pragma once

namespace accel::bench {

/// f32 multiply-adds a second, out of registers.
[[nodiscard]] double peak_macs();

/// Bytes a second that a copy of 64 MiB reads and writes.
[[nodiscard]] double peak_bytes();

}  // namespace accel::bench
