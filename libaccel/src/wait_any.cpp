// SPDX-License-Identifier: Apache-2.0
//
// Waiting for the first of several jobs, of any queues and devices: spin, then sleep - in one wait
// of the driver if they are of one queue, else in poll().
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "accel/job.hpp"
#include "epoch.hpp"
#include "fence.hpp"

namespace accel {

namespace detail {

namespace {

// A poll is no longer than this: a reset of a queue that another thread makes meanwhile also ends a
// job, and the driver need not report that for a job of the past.
constexpr std::chrono::milliseconds poll_slice{100};

// How long to sleep when poll() cannot: the driver has no notifications, or it reports a job of
// somebody else who has not taken note yet.
constexpr std::chrono::milliseconds nap{1};

using Index = std::optional<std::size_t>;

Epoch* epoch_of(const Job& job) {
    return JobAccess::epoch(job).get();
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
        longest = std::max(longest, epoch_of(job)->queue().spin_ns.load(std::memory_order_relaxed));
    }
    const Deadline until = std::min(deadline, deadline_after(std::chrono::nanoseconds(longest)));
    do {
        relax();
        if (const Index over = find_over(jobs)) {
            return over;
        }
    } while (until == no_deadline || now() < until);
    return std::nullopt;
}

// Sleeps for one job until it is over or the deadline passed. An errno counts as over: wait() on
// that job will throw it.
bool sleep_for(const Job& job, Deadline deadline) {
    const Epoch::Slept slept = epoch_of(job)->sleep(job.sequence(), deadline);
    return slept.state != Epoch::State::pending || slept.error != 0;
}

// All jobs are of one queue, which finishes them in order.
Index sleep_one_queue(std::span<const Job> jobs, Deadline deadline) {
    const auto first = std::min_element(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) {
        return a.sequence() < b.sequence();
    });
    if (sleep_for(*first, deadline)) {
        return static_cast<std::size_t>(first - jobs.begin());
    }
    return std::nullopt;
}

// Has the driver notify for one job for as long as it lives.
class Interest {
  public:
    explicit Interest(Job job)
        : job_(std::move(job)), error_(epoch_of(job_)->add_interest(job_.sequence())) {}
    Interest(const Interest&) = delete;
    Interest& operator=(const Interest&) = delete;
    Interest(Interest&&) = delete;
    Interest& operator=(Interest&&) = delete;
    ~Interest() {
        if (error_ == 0) {
            epoch_of(job_)->remove_interest(job_.sequence());
        }
    }
    [[nodiscard]] bool active() const noexcept { return error_ == 0; }

  private:
    Job job_;
    int error_;
};

int milliseconds_until(Deadline deadline) {
    const std::int64_t left = deadline == no_deadline ? no_deadline : deadline - now();
    // Rounded up, so as not to poll in circles for the last part of one.
    const std::int64_t ms = left / 1'000'000 + (left % 1'000'000 > 0 ? 1 : 0);
    return static_cast<int>(std::clamp<std::int64_t>(ms, 0, poll_slice.count()));
}

Index sleep_many_queues(std::span<const Job> jobs, Deadline deadline) {
    std::deque<Interest> interests;  // which does not move them
    std::vector<pollfd> fds;
    bool notified = true;
    for (const Job& job : jobs) {
        interests.emplace_back(job);
        notified = notified && interests.back().active();
        const int fd = epoch_of(job)->queue().device().fd();
        if (std::none_of(fds.begin(), fds.end(), [&](const pollfd& p) { return p.fd == fd; })) {
            fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
        }
    }
    Kernel& kernel = epoch_of(jobs.front())->queue().device().kernel();
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
        // An error of a device shows up in what the driver says of its jobs.
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

std::optional<std::size_t> wait_any(std::span<const Job> jobs, std::chrono::nanoseconds timeout) {
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
    const detail::Epoch* epoch = detail::epoch_of(jobs.front());
    const bool one_queue = std::all_of(
        jobs.begin(), jobs.end(), [&](const Job& job) { return detail::epoch_of(job) == epoch; });
    return one_queue ? detail::sleep_one_queue(jobs, deadline)
                     : detail::sleep_many_queues(jobs, deadline);
}

}  // namespace accel
