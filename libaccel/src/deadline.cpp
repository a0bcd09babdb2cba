// SPDX-License-Identifier: Apache-2.0
//
// Deadlines from the clock and a timeout.
#include "deadline.hpp"

#include <chrono>

namespace accel::detail {

Deadline now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

Deadline deadline_after(Duration timeout) noexcept {
    const std::chrono::nanoseconds span = timeout.nanoseconds();
    if (span <= std::chrono::nanoseconds::zero()) {
        return 0;
    }
    Deadline deadline = 0;
    if (timeout == Duration::forever() || __builtin_add_overflow(now(), span.count(), &deadline)) {
        return no_deadline;
    }
    return deadline;
}

}  // namespace accel::detail
