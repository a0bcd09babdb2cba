// SPDX-License-Identifier: Apache-2.0
//
// Waiting for jobs: polling the status page, waiting in the kernel, and throwing the failure of a
// job.
#include "completion_state.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include "fence.hpp"
#include "logger.hpp"
#include "throw_error.hpp"

namespace accel::detail {

namespace {

// Reads of the status page between two reads of the clock, which are slower.
constexpr int polls_per_clock_read = 64;

}  // namespace

CompletionState::JobState CompletionState::recheck_state(std::uint64_t sequence) const noexcept {
    JobState state = JobState::pending;
    if (ring_->completed() >= sequence) {
        state = JobState::done;
    } else if (ring_->stopped()) {
        // The card writes the last `completed` before it writes that it stopped.
        state = ring_->completed() >= sequence ? JobState::done : JobState::failed;
    }
    if (ended_.load(std::memory_order_acquire)) {
        return completed_ >= sequence ? JobState::done : JobState::failed;
    }
    return state;
}

WaitResult CompletionState::wait(std::uint64_t sequence, Deadline deadline) {
    JobState state = state_of(sequence);
    int error = 0;
    if (state == JobState::pending) {
        const Deadline spin_deadline =
            std::min(deadline, deadline_after(std::chrono::nanoseconds(spin_ns())));
        while (state == JobState::pending && spin_deadline != 0 &&
               (spin_deadline == no_deadline || now() < spin_deadline)) {
            for (int i = 0; i < polls_per_clock_read && state == JobState::pending; ++i) {
                relax();
                state = state_of(sequence);
            }
        }
    }
    if (state == JobState::pending) {
        const KernelWaitResult waited = wait_in_kernel(sequence, deadline);
        state = waited.state;
        error = waited.error;
    }
    ring_->reap();
    if (error != 0) {
        device().throw_call_error(
            error, "cannot wait for job " + std::to_string(sequence) + " on " + device().path());
    }
    switch (state) {
        case JobState::done:
            return WaitResult::done;
        case JobState::pending:
            return WaitResult::timed_out;
        case JobState::failed:
            break;
    }
    throw_failure(sequence);
}

CompletionState::KernelWaitResult CompletionState::wait_in_kernel(std::uint64_t sequence,
                                                                  Deadline deadline) noexcept {
    const DriverQueue::CallGuard guard(ring_->driver_queue());
    if (ended()) {
        return {state_of(sequence)};
    }
    const int error = ring_->driver_queue().wait(sequence, deadline);
    if (ended()) {
        return {state_of(sequence)};
    }
    switch (error) {
        case 0:
            return {JobState::done};
        case ETIMEDOUT:
            return {state_of(sequence)};
        case EIO:
        case ETIME:
            return {JobState::failed};
        default:
            return {JobState::pending, error};
    }
}

int CompletionState::notify(std::uint64_t sequence) noexcept {
    const DriverQueue::CallGuard guard(ring_->driver_queue());
    return ended() ? ECANCELED : ring_->driver_queue().notify(sequence);
}

int CompletionState::add_notification(std::uint64_t sequence) {
    return notifications_.add(sequence, [this](std::uint64_t lowest) { return notify(lowest); });
}

void CompletionState::remove_notification(std::uint64_t sequence) noexcept {
    notifications_.remove(sequence, [this](std::uint64_t lowest) { return notify(lowest); });
}

int CompletionState::replace_notification(std::uint64_t old, std::uint64_t sequence) {
    return notifications_.replace(old, sequence,
                                  [this](std::uint64_t lowest) { return notify(lowest); });
}

int CompletionState::set_user_notification(std::uint64_t sequence) noexcept {
    return notifications_.set_user(sequence,
                                   [this](std::uint64_t lowest) { return notify(lowest); });
}

void CompletionState::end() noexcept {
    std::optional<CardFailure> failure;
    if (ring_->stopped()) {
        try {
            failure = ring_->driver_queue().failure();
        } catch (...) {
            failure = ring_->failure_in_status_page();
        }
    }
    completed_ = ring_->completed();
    failure_ = failure;
    if (failure) {
        log_failure(*failure);
    }
    ended_.store(true, std::memory_order_seq_cst);
    end_observers_.signal();
}

void CompletionState::throw_failure(std::uint64_t sequence) const {
    if (ended()) {
        if (failure_) {
            throw_failed(sequence, *failure_, ring_->driver_queue().time_limit_ms());
        }
        throw_errno(ECANCELED, "job " + std::to_string(sequence) + " was canceled");
    }
    device().check_process();
    std::optional<CardFailure> failure;
    try {
        failure = ring_->driver_queue().failure();
    } catch (const Error&) {
        // The card may be gone; the status page still has the failure.
    }
    if (!failure) {
        failure = ring_->failure_in_status_page();
    }
    log_failure(*failure);
    throw_failed(sequence, *failure, ring_->driver_queue().time_limit_ms());
}

void CompletionState::log_failure(const CardFailure& failure) const noexcept {
    log_lazily(LogLevel::error, [&] {
        return logged_.exchange(true)
                   ? std::string()
                   : "queue " + std::to_string(ring_->driver_queue().handle()) + " on " +
                         device().path() + " stopped at " + describe_failure(failure);
    });
}

}  // namespace accel::detail
