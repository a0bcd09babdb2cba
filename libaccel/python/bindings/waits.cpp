// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a job, and the end of a wait by its timeout.
#include "waits.hpp"

namespace accel::python {

void throw_timed_out(const std::string& what, std::optional<double> timeout) {
    throw Error(std::errc::timed_out, what + " in " +
                                          std::to_string(std::max(timeout.value_or(0), 0.0)) +
                                          " s: wait again, the work continues");
}

bool wait_for(const accel::Job& job, std::optional<double> timeout) {
    const auto wait = [&](accel::Duration slice) { return job.wait(slice) == WaitResult::done; };
    return job.done() ? wait(accel::Duration()) : wait_in_slices(wait, timeout);
}

double seconds_until(double deadline) {
    // time.monotonic() has the clock of std::chrono::steady_clock.
    const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
    return deadline - now.count();
}

}  // namespace accel::python
