// SPDX-License-Identifier: Apache-2.0
//
// Callbacks at the completion of jobs, on a thread of the caller's choice; futures of jobs.
#pragma once

#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "accel/duration.hpp"
#include "accel/error.hpp"
#include "accel/job.hpp"
#include "accel/unique_function.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class EventLoopImpl;
struct EventLoopAccess;
}  // namespace detail

/// How a job or a request ended: with success, with an Error, or not yet, when a timeout passed
/// first. A value; copies are cheap and do not throw.
class JobResult {
  public:
    JobResult() noexcept = default;  ///< success
    // NOLINTNEXTLINE(google-explicit-constructor): an error is a result
    JobResult(Error error) noexcept : error_(std::move(error)) {}
    // NOLINTNEXTLINE(google-explicit-constructor): as Job::wait() returns it
    JobResult(WaitResult result) noexcept : timed_out_(result == WaitResult::timed_out) {}

    /// Whether the job is finished, without an error.
    [[nodiscard]] bool ok() const noexcept { return !error_ && !timed_out_; }
    explicit operator bool() const noexcept { return ok(); }

    /// Whether the timeout passed. The job continues.
    [[nodiscard]] bool timed_out() const noexcept { return timed_out_; }

    /// The Error that Job::wait() throws; empty if there is none.
    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

    /// Throws the error, if there is one.
    void check() const {
        if (error_) {
            throw Error(*error_);
        }
    }

  private:
    std::optional<Error> error_;
    bool timed_out_ = false;
};

using JobCallback = UniqueFunction<void(const JobResult&)>;

/// Calls back when jobs are over. The caller's thread runs the loop with run() or run_once(), or
/// the library makes a thread for it. One thread at a time runs callbacks, without a lock of the
/// library: a callback may submit, wait, add callbacks, or destroy the loop of with_thread().
///
///     accel::EventLoop loop;
///     queue.submit(command).then(loop, [](const accel::JobResult& result) { result.check(); });
///     loop.run_once();
///
/// Every callback of a job is called exactly once. The destructor calls those whose jobs are not
/// over with Error(operation_canceled); the jobs themselves continue. It destroys functions of
/// post() and post_after() that did not run. Move-only. In a child after fork() it may only be
/// destroyed; it calls nothing there.
///
/// An exception of a callback leaves run() or run_once(); the other callbacks stay in the loop. On
/// a thread of the library, and in the destructor, it ends the program.
///
/// Thread-safety: every member from any thread, but one thread at a time in run() or run_once().
class ACCEL_API EventLoop {
  public:
    /// A loop that the caller runs. Throws Error when the process has no file descriptor left.
    EventLoop();

    /// A loop with a thread of the library. The destructor ends the thread.
    [[nodiscard]] static EventLoop with_thread();

    EventLoop(EventLoop&&) noexcept;
    EventLoop& operator=(EventLoop&&) noexcept;
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop();

    /// Calls `callback` when `job` is over, or when `timeout` passes first.
    void when_done(const Job& job, JobCallback callback, Duration timeout = Duration::forever());

    /// Calls `function` on the thread of the loop, now or after a delay.
    void post(UniqueFunction<void()> function);
    void post_after(Duration delay, UniqueFunction<void()> function);

    /// Runs all callbacks that are due. If none is, sleeps until one is, stop() is called, or
    /// `timeout` passes. Returns the number of callbacks that ran. Throws
    /// Error(resource_deadlock_would_occur) in a callback of this loop, and
    /// Error(device_or_resource_busy) while another thread runs it.
    std::size_t run_once(Duration timeout = Duration::forever());

    /// Runs callbacks until stop() is called. Throws like run_once().
    void run();

    /// Makes run() or run_once() return; the next call, if none is running. Safe in a callback.
    void stop();

    /// Whether the calling thread is in run() or run_once(): a callback must not wait for another.
    [[nodiscard]] bool on_this_thread() const;

    /// The number of callbacks and functions that did not run.
    [[nodiscard]] std::size_t pending() const;

    /// A file descriptor for a foreign event loop: while it is readable, call run_once({}). The
    /// loop owns it; do not close it. It may become readable without a due callback.
    [[nodiscard]] int fd();

  private:
    friend struct detail::EventLoopAccess;
    void end() noexcept;

    std::shared_ptr<detail::EventLoopImpl> impl_;
    std::thread thread_;
};

namespace detail {

struct EventLoopAccess {
    static const std::shared_ptr<EventLoopImpl>& impl(const EventLoop& loop) { return loop.impl_; }
};

/// As EventLoop::when_done(); throws Error(operation_canceled) once the loop has ended.
ACCEL_API void when_done(const std::shared_ptr<EventLoopImpl>& loop, const Job& job,
                         JobCallback callback, Duration timeout);

}  // namespace detail

/// A future that is ready when the job is over: get() throws its Error. The loop must run.
[[nodiscard]] inline std::future<void> as_future(EventLoop& loop, const Job& job) {
    std::promise<void> promise;
    std::future<void> future = promise.get_future();
    loop.when_done(job, [promise = std::move(promise)](const JobResult& result) mutable {
        if (result.error()) {
            promise.set_exception(std::make_exception_ptr(*result.error()));
        } else {
            promise.set_value();
        }
    });
    return future;
}

}  // namespace accel
