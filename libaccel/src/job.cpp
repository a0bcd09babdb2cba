// SPDX-License-Identifier: Apache-2.0
//
// The public face of jobs.
#include "accel/job.hpp"

#include <utility>

#include "epoch.hpp"

namespace accel {

using detail::Epoch;

bool Job::done() const noexcept {
    if (!epoch_ || epoch_->look(sequence_) == Epoch::State::pending) {
        return !epoch_;
    }
    epoch_->queue().reap();
    return true;
}

void Job::wait() const {
    if (epoch_) {
        static_cast<void>(epoch_->wait(sequence_, detail::no_deadline));
    }
}

WaitResult Job::wait(std::chrono::nanoseconds timeout) const {
    return epoch_ ? epoch_->wait(sequence_, detail::deadline_after(timeout)) : WaitResult::done;
}

}  // namespace accel
