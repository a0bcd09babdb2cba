// SPDX-License-Identifier: Apache-2.0
//
// Deadlines of waits, in the form that the driver takes.
#pragma once

#include <cstdint>
#include <limits>

#include "accel/duration.hpp"

namespace accel::detail {

/// CLOCK_MONOTONIC in nanoseconds.
using Deadline = std::int64_t;
inline constexpr Deadline no_deadline = std::numeric_limits<Deadline>::max();

[[nodiscard]] Deadline now() noexcept;

/// The deadline of a wait that starts now; a timeout of zero or less gives one in the past.
[[nodiscard]] Deadline deadline_after(Duration timeout) noexcept;

}  // namespace accel::detail
