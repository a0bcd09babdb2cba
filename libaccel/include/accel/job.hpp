// SPDX-License-Identifier: Apache-2.0
//
// A submitted command: polling it, waiting for it, waiting for the first or for all of several.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "accel/duration.hpp"
#include "accel/visibility.hpp"

namespace accel {

class EventLoop;
class JobResult;
template <typename Signature>
class UniqueFunction;

namespace detail {
class CompletionState;
struct JobAccess;
}  // namespace detail

/// The result of a wait with a timeout. The wait throws if the job failed.
enum class [[nodiscard]] WaitResult : std::uint8_t{done, timed_out};

/// A handle on a submitted command. Cheap to copy; destroying it neither waits nor cancels. Buffers
/// and command lists that the job uses live until it is finished, even if all their handles are
/// destroyed before.
///
/// Thread-safety: const members from any thread, also while another thread submits to the queue.
class ACCEL_API Job {
  public:
    Job() = default;  ///< no job: done() is true, wait() returns at once

    /// Sequence number in its queue, counted from 1 since the queue was created or reset. Zero: no
    /// job.
    [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }

    /// Whether the job is over: finished, failed or canceled; wait() throws if it failed. Never
    /// enters the kernel, so it does not notice that a card is gone; wait() does.
    [[nodiscard]] bool done() const noexcept;

    /// Waits until the job is finished: polls for the queue's spin time, then sleeps in the kernel.
    /// Throws Error if the job failed (io_error, with failure()), used up its time limit or made no
    /// progress (ETIME, with failure()), was canceled by a reset or the end of its queue
    /// (operation_canceled), or if the card was reset (ESTALE), is gone (no_such_device) or does
    /// not work any more (state_not_recoverable). Error::reason() tells the reason.
    void wait() const;

    /// The same for no longer than `timeout`; zero or less only checks, in the kernel too. A
    /// timeout that is too long for nanoseconds means forever.
    [[nodiscard]] WaitResult wait(Duration timeout) const;

    /// The same until a point in time of any clock.
    template <typename Clock, typename Span>
    [[nodiscard]] WaitResult wait_until(
        const std::chrono::time_point<Clock, Span>& deadline) const {
        return wait(time_until(deadline));
    }

    /// Makes `loop` call `callback` with the JobResult when the job is over
    /// (EventLoop::when_done()).
    void then(EventLoop& loop, UniqueFunction<void(const JobResult&)> callback) const;

  private:
    friend struct detail::JobAccess;

    Job(std::shared_ptr<detail::CompletionState> completion, std::uint64_t sequence) noexcept
        : completion_(std::move(completion)), sequence_(sequence) {}

    std::shared_ptr<detail::CompletionState> completion_;
    std::uint64_t sequence_ = 0;
};

/// The index of a job that is over (finished, failed or canceled; its wait() tells which), or
/// nothing when `timeout` passes first or there are no jobs. The jobs may be of different queues
/// and devices. Throws std::bad_alloc only.
///
/// Thread-safety: any thread.
[[nodiscard]] ACCEL_API std::optional<std::size_t> wait_any(std::span<const Job> jobs,
                                                            Duration timeout = Duration::forever());

/// The same until a point in time of any clock.
template <typename Clock, typename Span>
[[nodiscard]] std::optional<std::size_t> wait_any_until(
    std::span<const Job> jobs, const std::chrono::time_point<Clock, Span>& deadline) {
    return wait_any(jobs, time_until(deadline));
}

/// Waits until all jobs are over, also after one of them failed, so that none uses its buffers any
/// more. Then throws the Error of the first in `jobs` that failed. The jobs may be of different
/// queues and devices.
///
/// Thread-safety: any thread.
ACCEL_API void wait_all(std::span<const Job> jobs);

/// The same for no longer than `timeout`. After a timeout the jobs continue, and a later wait
/// reports the errors.
[[nodiscard]] ACCEL_API WaitResult wait_all(std::span<const Job> jobs, Duration timeout);

/// The same until a point in time of any clock.
template <typename Clock, typename Span>
[[nodiscard]] WaitResult wait_all_until(std::span<const Job> jobs,
                                        const std::chrono::time_point<Clock, Span>& deadline) {
    return wait_all(jobs, time_until(deadline));
}

}  // namespace accel
