// SPDX-License-Identifier: Apache-2.0
//
// Looking at jobs and waiting for them.
#include "epoch.hpp"

#include <accel_uapi.h>

#include <algorithm>

#include "fence.hpp"

namespace accel::detail {

namespace {

// Looks at the status page between two looks at the clock: the clock costs more.
constexpr int looks_a_round = 64;

// While one exists, the queue is not reset or destroyed under a call that names its handle.
class InKernel {
  public:
    explicit InKernel(QueueImpl& queue) noexcept : queue_(queue) {
        queue_.in_kernel.fetch_add(1, std::memory_order_seq_cst);
    }
    InKernel(const InKernel&) = delete;
    InKernel& operator=(const InKernel&) = delete;
    InKernel(InKernel&&) = delete;
    InKernel& operator=(InKernel&&) = delete;
    ~InKernel() { queue_.in_kernel.fetch_sub(1, std::memory_order_seq_cst); }

  private:
    QueueImpl& queue_;
};

}  // namespace

Deadline now() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

Deadline deadline_after(std::chrono::nanoseconds timeout) noexcept {
    if (timeout <= std::chrono::nanoseconds::zero()) {
        return 0;
    }
    Deadline deadline = 0;
    if (timeout == std::chrono::nanoseconds::max() ||
        __builtin_add_overflow(now(), timeout.count(), &deadline)) {
        return no_deadline;
    }
    return deadline;
}

Epoch::State Epoch::look_closer(std::uint64_t sequence) const noexcept {
    State state = State::pending;
    if (queue_->completed() >= sequence) {
        state = State::done;
    } else if (queue_->stopped()) {
        // The card wrote the last `completed` before it wrote that it stopped.
        state = queue_->completed() >= sequence ? State::done : State::failed;
    }
    if (ended_.load(std::memory_order_acquire)) {
        return completed_ >= sequence ? State::done : State::failed;
    }
    return state;
}

WaitResult Epoch::wait(std::uint64_t sequence, Deadline deadline) {
    State state = look(sequence);
    int error = 0;
    if (state == State::pending) {
        const std::int64_t spin = queue_->spin_ns.load(std::memory_order_relaxed);
        const Deadline until = std::min(deadline, deadline_after(std::chrono::nanoseconds(spin)));
        while (state == State::pending && until != 0 && (until == no_deadline || now() < until)) {
            for (int i = 0; i < looks_a_round && state == State::pending; ++i) {
                relax();
                state = look(sequence);
            }
        }
    }
    if (state == State::pending) {
        const Slept slept = sleep(sequence, deadline);
        state = slept.state;
        error = slept.error;
    }
    queue_->reap();
    if (error != 0) {
        throw_errno(error, "cannot wait for job " + std::to_string(sequence) + " on " +
                               queue_->device().path());
    }
    switch (state) {
        case State::done:
            return WaitResult::done;
        case State::pending:
            return WaitResult::timed_out;
        case State::failed:
            break;
    }
    throw_failure(sequence);
}

Epoch::Slept Epoch::sleep(std::uint64_t sequence, Deadline deadline) noexcept {
    const InKernel in_kernel(*queue_);
    if (ended()) {
        return {look(sequence)};
    }
    accel_queue_wait argument = {};
    argument.handle = queue_->handle();
    argument.sequence = sequence;
    argument.deadline = deadline;
    const int error = queue_->device().try_call(ACCEL_IOCTL_QUEUE_WAIT, argument);
    if (ended()) {
        return {look(sequence)};
    }
    switch (error) {
        case 0:
            return {State::done};
        case ETIMEDOUT:
            return {look(sequence)};
        case EIO:
            return {State::failed};
        default:
            return {State::pending, error};
    }
}

// What the driver is told to report: the lowest sequence that anybody wants.
int Epoch::notify(std::uint64_t sequence) noexcept {
    const InKernel in_kernel(*queue_);
    if (ended()) {
        return ECANCELED;
    }
    accel_queue_notify argument = {};
    argument.handle = queue_->handle();
    argument.sequence = sequence;
    return queue_->device().try_call(ACCEL_IOCTL_QUEUE_NOTIFY, argument);
}

int Epoch::add_interest(std::uint64_t sequence) {
    return interests_.add(sequence, [this](std::uint64_t lowest) { return notify(lowest); });
}

void Epoch::remove_interest(std::uint64_t sequence) noexcept {
    interests_.remove(sequence, [this](std::uint64_t lowest) { return notify(lowest); });
}

int Epoch::set_user_interest(std::uint64_t sequence) noexcept {
    return interests_.set_user(sequence, [this](std::uint64_t lowest) { return notify(lowest); });
}

void Epoch::end(std::uint64_t completed, const std::optional<CardFailure>& failure) noexcept {
    completed_ = completed;
    failure_ = failure;
    ended_.store(true, std::memory_order_seq_cst);
}

void Epoch::throw_failure(std::uint64_t sequence) const {
    if (ended()) {
        if (failure_) {
            throw_failed(sequence, *failure_);
        }
        throw_errno(ECANCELED, "job " + std::to_string(sequence) + " was cancelled");
    }
    std::optional<CardFailure> failure;
    try {
        failure = queue_->failure();
    } catch (const Error&) {
        // The card may be gone by now; the page still says what it stopped at.
    }
    throw_failed(sequence, failure ? *failure : queue_->failure_in_page());
}

}  // namespace accel::detail
