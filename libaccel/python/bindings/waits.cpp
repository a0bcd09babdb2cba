// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a job, and the end of a wait by its timeout.
#include "waits.hpp"

#include <algorithm>
#include <sstream>

namespace accel::python {

void throw_timed_out(const std::string& what, std::optional<double> timeout) {
    std::ostringstream seconds;
    seconds << std::max(timeout.value_or(0), 0.0);
    throw Error(std::errc::timed_out,
                what + " in " + seconds.str() + " s: wait again, the work continues");
}

bool wait_for(const accel::Job& job, std::optional<double> timeout) {
    const auto wait = [&](accel::Duration slice) { return job.wait(slice) == WaitResult::done; };
    return job.done() ? wait(accel::Duration()) : wait_in_slices(wait, timeout);
}

std::exception_ptr wait_for_room(const QueueState& queue) {
    const accel::Job older = queue.older;
    if (older.done()) {
        // Jobs that C++ submitted fill the ring.
        constexpr std::chrono::milliseconds poll{1};
        static_cast<void>(wait_in_slices(
            [&](accel::Duration) {
                std::this_thread::sleep_for(poll);
                return true;
            },
            std::nullopt));
        return PyErr_CheckSignals() == 0 ? nullptr : throw nb::python_error();
    }
    try {
        static_cast<void>(wait_for(older, std::nullopt));
        return nullptr;
    } catch (const Error&) {
        return std::current_exception();
    }
}

void wait_for_jobs(const QueueState& queue) {
    const accel::Job last = queue.last;
    try {
        static_cast<void>(wait_for(last, std::nullopt));
    } catch (const Error&) {
        return;
    }
}

double seconds_until(double deadline) {
    // time.monotonic() has the clock of std::chrono::steady_clock.
    const std::chrono::duration<double> now = std::chrono::steady_clock::now().time_since_epoch();
    return deadline - now.count();
}

}  // namespace accel::python
