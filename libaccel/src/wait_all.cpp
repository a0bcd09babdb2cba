// SPDX-License-Identifier: Apache-2.0
//
// Waiting for all of several jobs, of any queues and devices.
#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "accel/job.hpp"
#include "completion_state.hpp"
#include "deadline.hpp"

namespace accel {

namespace {

using detail::CompletionState;
using detail::Deadline;

// The newest job of each queue: its end is the end of the others.
std::vector<Job> newest_jobs(std::span<const Job> jobs) {
    std::vector<Job> newest;
    for (const Job& job : jobs) {
        const auto& completion = detail::JobAccess::completion(job);
        if (!completion) {
            continue;
        }
        const auto known = std::ranges::find_if(newest, [&](const Job& other) {
            return detail::JobAccess::completion(other) == completion;
        });
        if (known == newest.end()) {
            newest.push_back(job);
        } else if (known->sequence() < job.sequence()) {
            *known = job;
        }
    }
    return newest;
}

// Waits without the Error of the job.
WaitResult wait_quietly(const Job& job, Deadline deadline) {
    try {
        return detail::JobAccess::completion(job)->wait(job.sequence(), deadline);
    } catch (const Error&) {
        return WaitResult::done;
    }
}

WaitResult wait_all_before(std::span<const Job> jobs, Deadline deadline) {
    for (const Job& job : newest_jobs(jobs)) {
        if (wait_quietly(job, deadline) == WaitResult::timed_out) {
            return WaitResult::timed_out;
        }
    }
    for (const Job& job : jobs) {
        if (job.wait(Duration()) == WaitResult::timed_out) {
            return WaitResult::timed_out;
        }
    }
    return WaitResult::done;
}

}  // namespace

void wait_all(std::span<const Job> jobs) {
    static_cast<void>(wait_all_before(jobs, detail::no_deadline));
}

WaitResult wait_all(std::span<const Job> jobs, Duration timeout) {
    return wait_all_before(jobs, detail::deadline_after(timeout));
}

}  // namespace accel
