// SPDX-License-Identifier: Apache-2.0
//
// Waits without the GIL that handle Python's signals meanwhile: Ctrl-C ends them.
#pragma once

#include <nanobind/nanobind.h>

#include <accel/accel.hpp>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "objects.hpp"

namespace accel::python {

/// Python handles a signal after at most this time.
inline constexpr std::chrono::milliseconds signal_slice{50};

/// Throws Error(timed_out). `what` is as in "job 1 did not finish".
[[noreturn]] void throw_timed_out(const std::string& what, std::optional<double> timeout);

/// The seconds until a point of time.monotonic().
[[nodiscard]] double seconds_until(double deadline);

/// Calls `wait` with short timeouts until it returns true, or until `timeout` has passed; then it
/// returns false. `wait` is called without the GIL.
template <typename Wait>
[[nodiscard]] bool wait_in_slices(Wait&& wait, std::optional<double> timeout) {
    using Clock = std::chrono::steady_clock;
    const std::chrono::nanoseconds limit = to_duration(timeout).nanoseconds();
    const Clock::time_point start = Clock::now();
    for (;;) {
        // Both terms are far from the limits of the type.
        const std::chrono::nanoseconds left = timeout ? limit - (Clock::now() - start) : limit;
        {
            const WithoutGil released;
            if (wait(accel::Duration(std::min<std::chrono::nanoseconds>(left, signal_slice)))) {
                return true;
            }
        }
        if (PyErr_CheckSignals() != 0) {
            throw nb::python_error();
        }
        if (left <= signal_slice) {
            return false;
        }
    }
}

/// Waits for a job. Returns false on a timeout.
bool wait_for(const accel::Job& job, std::optional<double> timeout);

/// Waits until the ring of a queue may have room again. Returns the error that ended the wait.
[[nodiscard]] std::exception_ptr wait_for_room(const QueueState& queue);

/// Calls `submit` with the queue when its ring has room for one command besides `staged`, those of
/// an open batch, so that the call does not wait for the card. Other threads use the queue until
/// then.
template <typename Submit>
auto with_room(QueueState& state, std::size_t staged, Submit&& submit) {
    std::exception_ptr failed;
    for (;;) {
        const auto result = state.use([&](accel::Queue& queue) {
            // A queue that stopped never has room again: submit() reports its failure.
            const bool full =
                queue.pending() + staged >= queue.entries() && !queue.failure().has_value();
            // A batch that fills the ring alone is refused.
            return full && staged < queue.entries() ? std::nullopt
                                                    : std::make_optional(submit(queue));
        });
        if (result) {
            return *result;
        }
        if (failed) {
            std::rethrow_exception(failed);
        }
        failed = wait_for_room(state);
    }
}

/// Waits until all jobs of a queue are over, before a call that has no timeout. That call reports
/// their errors.
void wait_for_jobs(const QueueState& queue);

/// Calls a function that has no timeout on a thread of its own. After a signal whose handler
/// raises, the thread continues alone, so `function` owns all that it uses.
template <typename Function>
auto call_interruptibly(Function function) {
    using Result = decltype(function());
    std::packaged_task<Result()> task(std::move(function));
    std::future<Result> result = task.get_future();
    try {
        std::thread(std::move(task)).detach();
    } catch (const std::system_error& error) {
        throw Error(static_cast<std::errc>(error.code().value()),
                    "cannot start a thread for the wait: end other programs, or raise the limits "
                    "of threads (ulimit -u) and memory (ulimit -v)");
    }
    static_cast<void>(wait_in_slices(
        [&](accel::Duration slice) {
            return result.wait_for(slice.nanoseconds()) == std::future_status::ready;
        },
        std::nullopt));
    return result.get();
}

}  // namespace accel::python
