// SPDX-License-Identifier: Apache-2.0
//
// A submitted command: look at it, wait for it, wait for the first of several.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class Epoch;
struct JobAccess;
}  // namespace detail

/// What a wait that has a time-out came to. A failed job is neither: it throws.
enum class [[nodiscard]] WaitResult : std::uint8_t{done, timed_out};

/// A handle on a submitted command. Cheap to copy; dropping it neither waits nor cancels. Buffers
/// and command lists that the job uses live until it is finished, whoever lets go of them.
///
/// Thread-safety: const members from any thread, also while another thread submits to the queue.
class ACCEL_API Job {
  public:
    Job() = default;  ///< no job: done() is true, wait() returns at once

    /// Position in its queue, counted from 1 since the queue was made or reset; zero: no job.
    [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }

    /// Whether it is over: finished, failed or cancelled. Never enters the kernel, so it does not
    /// notice a card that is gone; wait() does. A failure is thrown by wait().
    [[nodiscard]] bool done() const noexcept;

    /// Waits until it is finished: spins for the queue's spin time, then sleeps in the kernel.
    /// Throws Error if it failed (io_error, with card()), was cancelled by a reset or the end of
    /// its queue (operation_canceled), or the card was reset or is gone (ESTALE, no_such_device).
    void wait() const;

    /// The same, but no longer than `timeout`; zero or less only looks (in the kernel, too).
    [[nodiscard]] WaitResult wait(std::chrono::nanoseconds timeout) const;

  private:
    friend struct detail::JobAccess;

    Job(std::shared_ptr<detail::Epoch> epoch, std::uint64_t sequence) noexcept
        : epoch_(std::move(epoch)), sequence_(sequence) {}

    std::shared_ptr<detail::Epoch> epoch_;
    std::uint64_t sequence_ = 0;
};

/// Index of a job that is over - finished, failed or cancelled: wait() on it tells -, or nothing
/// when `timeout` passes first. The jobs may be of different queues and devices. No jobs: nothing,
/// at once. Any thread.
[[nodiscard]] ACCEL_API std::optional<std::size_t> wait_any(
    std::span<const Job> jobs, std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max());

}  // namespace accel
