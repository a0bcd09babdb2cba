// SPDX-License-Identifier: Apache-2.0
//
// Waiting for the first of several jobs, of any queues and devices: polling, then sleeping. Jobs of
// one queue sleep in one wait of the driver, jobs of several queues in poll().
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "accel/job.hpp"
#include "completion_state.hpp"
#include "fence.hpp"

namespace accel {

namespace detail {

namespace {

// The longest poll(). A reset by another thread ends a job too, and the driver need not report
// that.
constexpr std::chrono::milliseconds poll_slice{100};

// The length of a sleep when poll() does not help: the driver has no notifications, or it reports a
// job of another waiter that has not noticed it yet.
constexpr std::chrono::milliseconds nap{1};

using Index = std::optional<std::size_t>;

CompletionState* completion_of(const Job& job) {
    return JobAccess::completion(job).get();
}

Index find_over(std::span<const Job> jobs) {
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (jobs[i].done()) {
            return i;
        }
    }
    return std::nullopt;
}

Index spin(std::span<const Job> jobs, Deadline deadline) {
    std::int64_t longest = 0;
    for (const Job& job : jobs) {
        longest = std::max(longest, completion_of(job)->spin_ns());
    }
    const Deadline spin_deadline =
        std::min(deadline, deadline_after(std::chrono::nanoseconds(longest)));
    do {
        relax();
        if (const Index over = find_over(jobs)) {
            return over;
        }
    } while (spin_deadline == no_deadline || now() < spin_deadline);
    return std::nullopt;
}

// Sleeps until one job is over or the deadline passed. An errno counts as over: wait() on that job
// throws it.
bool sleep_for(const Job& job, Deadline deadline) {
    const CompletionState::KernelWaitResult waited =
        completion_of(job)->wait_in_kernel(job.sequence(), deadline);
    return waited.state != CompletionState::JobState::pending || waited.error != 0;
}

// Sleeps for jobs of one queue, which finishes them in order.
Index sleep_one_queue(std::span<const Job> jobs, Deadline deadline) {
    const auto first = std::min_element(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) {
        return a.sequence() < b.sequence();
    });
    if (sleep_for(*first, deadline)) {
        return static_cast<std::size_t>(first - jobs.begin());
    }
    return std::nullopt;
}

// Makes the driver notify for one job during its lifetime.
class Notification {
  public:
    explicit Notification(Job job)
        : job_(std::move(job)), error_(completion_of(job_)->add_notification(job_.sequence())) {}
    Notification(const Notification&) = delete;
    Notification& operator=(const Notification&) = delete;
    Notification(Notification&&) = delete;
    Notification& operator=(Notification&&) = delete;
    ~Notification() {
        if (error_ == 0) {
            completion_of(job_)->remove_notification(job_.sequence());
        }
    }
    [[nodiscard]] bool active() const noexcept { return error_ == 0; }

  private:
    Job job_;
    int error_;
};

int milliseconds_until(Deadline deadline) {
    const std::int64_t left = deadline == no_deadline ? no_deadline : deadline - now();
    // Rounded up: a poll of 0 ms for the last part of a millisecond would not sleep.
    const std::int64_t ms = left / 1'000'000 + (left % 1'000'000 > 0 ? 1 : 0);
    return static_cast<int>(std::clamp<std::int64_t>(ms, 0, poll_slice.count()));
}

Index sleep_many_queues(std::span<const Job> jobs, Deadline deadline) {
    std::deque<Notification> notifications;  // a deque does not move its elements
    std::vector<pollfd> fds;
    bool notified = true;
    for (const Job& job : jobs) {
        notifications.emplace_back(job);
        notified = notified && notifications.back().active();
        const int fd = completion_of(job)->device().fd();
        if (std::none_of(fds.begin(), fds.end(), [&](const pollfd& p) { return p.fd == fd; })) {
            fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
        }
    }
    Kernel& kernel = completion_of(jobs.front())->device().kernel();
    for (;;) {
        if (const Index over = find_over(jobs)) {
            return over;
        }
        if (deadline != no_deadline && now() >= deadline) {
            return std::nullopt;
        }
        const int ready = notified ? kernel.poll(fds, milliseconds_until(deadline)) : 0;
        if (const Index over = find_over(jobs)) {
            return over;
        }
        if (notified && ready == 0) {
            continue;
        }
        // poll() reports an error of a device: ask the driver about each job.
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            if (sleep_for(jobs[i], 0)) {
                return i;
            }
        }
        if (sleep_for(jobs.front(), std::min(deadline, deadline_after(nap)))) {
            return 0;
        }
    }
}

}  // namespace

}  // namespace detail

std::optional<std::size_t> wait_any(std::span<const Job> jobs, Duration timeout) {
    if (jobs.empty()) {
        return std::nullopt;
    }
    const detail::Deadline deadline = detail::deadline_after(timeout);
    if (const auto over = detail::find_over(jobs)) {
        return over;
    }
    if (const auto over = detail::spin(jobs, deadline)) {
        return over;
    }
    const detail::CompletionState* completion = detail::completion_of(jobs.front());
    const bool one_queue = std::all_of(jobs.begin(), jobs.end(), [&](const Job& job) {
        return detail::completion_of(job) == completion;
    });
    return one_queue ? detail::sleep_one_queue(jobs, deadline)
                     : detail::sleep_many_queues(jobs, deadline);
}

}  // namespace accel
