// SPDX-License-Identifier: Apache-2.0
//
// The public Job.
#include "accel/job.hpp"

#include "completion_state.hpp"

namespace accel {

using detail::CompletionState;

bool Job::done() const noexcept {
    if (!completion_ || completion_->state_of(sequence_) == CompletionState::JobState::pending) {
        return !completion_;
    }
    completion_->reap();
    return true;
}

void Job::wait() const {
    if (completion_) {
        static_cast<void>(completion_->wait(sequence_, detail::no_deadline));
    }
}

WaitResult Job::wait(Duration timeout) const {
    return completion_ ? completion_->wait(sequence_, detail::deadline_after(timeout))
                       : WaitResult::done;
}

}  // namespace accel
