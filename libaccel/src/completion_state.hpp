// SPDX-License-Identifier: Apache-2.0
//
// The completion of the jobs of a queue, from its creation or a reset to the next reset or its end.
// Sequence numbers have a meaning only within that time. So a job holds its completion state, which
// remembers the final progress and failure once it has ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "accel/error.hpp"
#include "accel/job.hpp"
#include "deadline.hpp"
#include "notification.hpp"
#include "queue_ring.hpp"

namespace accel::detail {

/// Thread-safety: the producer calls end(); any thread the rest.
class CompletionState {
  public:
    enum class JobState : std::uint8_t { pending, done, failed };

    /// The result of a wait in the kernel. `error` is zero, or an errno that does not concern the
    /// job alone (the card is gone, ...).
    struct KernelWaitResult {
        JobState state = JobState::pending;
        int error = 0;
    };

    explicit CompletionState(std::shared_ptr<QueueRing> ring) noexcept : ring_(std::move(ring)) {}

    /// The state of a job, from the status page; no system call.
    [[nodiscard]] JobState state_of(std::uint64_t sequence) const noexcept {
        const bool finished = ring_->completed() >= sequence;
        // The status page may already be that of the restarted queue. ended_ is set before the
        // restart and read after the page: if it is not set, the page belongs to this state.
        return finished && !ended_.load(std::memory_order_acquire) ? JobState::done
                                                                   : recheck_state(sequence);
    }

    /// Polls, then waits in the kernel. Throws Error if the job failed.
    WaitResult wait(std::uint64_t sequence, Deadline deadline);

    /// Sleeps until the job is over or the deadline passed. A deadline in the past only checks.
    [[nodiscard]] KernelWaitResult wait_in_kernel(std::uint64_t sequence,
                                                  Deadline deadline) noexcept;

    /// Makes poll() by the user report `sequence`; zero: none. Returns zero or an errno.
    [[nodiscard]] int set_user_notification(std::uint64_t sequence) noexcept;

    /// Makes poll() report `sequence` as well as those of other waiters. Returns zero or an errno.
    [[nodiscard]] int add_notification(std::uint64_t sequence);
    void remove_notification(std::uint64_t sequence) noexcept;
    /// Both in one call of the driver; zero stands for none. Returns zero or an errno.
    [[nodiscard]] int replace_notification(std::uint64_t old, std::uint64_t sequence);

    /// Wakes `observer` when this state ends.
    void add_end_observer(std::shared_ptr<WakeDescriptor> observer) {
        end_observers_.add(std::move(observer));
    }
    void remove_end_observer(const std::shared_ptr<WakeDescriptor>& observer) noexcept {
        end_observers_.remove(observer);
    }

    /// Destroys retired objects that only finished jobs used.
    void reap() const noexcept { ring_->reap(); }

    [[nodiscard]] std::int64_t spin_ns() const noexcept {
        return ring_->driver_queue().spin_ns.load(std::memory_order_relaxed);
    }
    [[nodiscard]] DeviceImpl& device() const noexcept { return ring_->device(); }

    /// Fixes the progress and the failure, before the queue is reset or closed. Jobs that are not
    /// finished now have failed.
    void end() noexcept;
    [[nodiscard]] bool ended() const noexcept { return ended_.load(std::memory_order_seq_cst); }

  private:
    [[nodiscard]] JobState recheck_state(std::uint64_t sequence) const noexcept;
    [[nodiscard]] int notify(std::uint64_t sequence) noexcept;
    [[noreturn]] void throw_failure(std::uint64_t sequence) const;
    void log_failure(const CardFailure& failure) const noexcept;

    std::shared_ptr<QueueRing> ring_;
    Notifications notifications_;
    EndObservers end_observers_;

    // Written before ended_ is set, constant afterwards.
    std::uint64_t completed_ = 0;
    std::optional<CardFailure> failure_;
    mutable std::atomic<bool> logged_{false};  // the failure is in the log
    std::atomic<bool> ended_{false};
};

struct JobAccess {
    static Job make(std::shared_ptr<CompletionState> completion, std::uint64_t sequence) noexcept {
        return {std::move(completion), sequence};
    }
    static const std::shared_ptr<CompletionState>& completion(const Job& job) noexcept {
        return job.completion_;
    }
};

}  // namespace accel::detail
