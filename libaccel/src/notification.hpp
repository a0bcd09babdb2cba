// SPDX-License-Identifier: Apache-2.0
//
// The notifications of one queue. The driver notifies for one sequence number of a queue, but
// several waiters and the user's event loop may wait for different ones. The driver is told the
// lowest. The driver does not report the end of an epoch: the library tells the observers itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "wake_descriptor.hpp"

namespace accel::detail {

/// `arm` is called with the sequence number to notify for (zero: none) and returns zero or an
/// errno. The lock is held across the call, so that the driver receives changes in order.
///
/// Thread-safety: any thread.
class Notifications {
  public:
    template <typename Arm>
    [[nodiscard]] int add(std::uint64_t sequence, Arm arm) {
        const std::lock_guard lock(mutex_);
        waiters_.push_back(sequence);
        const int error = arm(lowest());
        if (error != 0) {
            waiters_.pop_back();
        }
        return error;
    }

    template <typename Arm>
    void remove(std::uint64_t sequence, Arm arm) noexcept {
        const std::lock_guard lock(mutex_);
        if (const auto found = std::find(waiters_.begin(), waiters_.end(), sequence);
            found != waiters_.end()) {
            waiters_.erase(found);
            static_cast<void>(arm(lowest()));
        }
    }

    /// Removes `old`, if it is not zero, and adds `sequence`, if it is not zero, in one call of the
    /// driver. On an error `sequence` is not added.
    template <typename Arm>
    [[nodiscard]] int replace(std::uint64_t old, std::uint64_t sequence, Arm arm) {
        const std::lock_guard lock(mutex_);
        if (const auto found = std::find(waiters_.begin(), waiters_.end(), old);
            found != waiters_.end()) {
            waiters_.erase(found);
        }
        if (sequence != 0) {
            waiters_.push_back(sequence);
        }
        const int error = arm(lowest());
        if (error != 0 && sequence != 0) {
            waiters_.pop_back();
        }
        return error;
    }

    /// Replaces the sequence number of the user's event loop; zero for none.
    template <typename Arm>
    [[nodiscard]] int set_user(std::uint64_t sequence, Arm arm) noexcept {
        const std::lock_guard lock(mutex_);
        user_ = sequence;
        return arm(lowest());
    }

  private:
    [[nodiscard]] std::uint64_t lowest() const noexcept {
        std::uint64_t result = user_;
        for (const std::uint64_t sequence : waiters_) {
            result = result == 0 ? sequence : std::min(result, sequence);
        }
        return result;
    }

    std::mutex mutex_;
    std::vector<std::uint64_t> waiters_;
    std::uint64_t user_ = 0;
};

/// The event loops that must look at their jobs when the epoch of a queue ends.
///
/// Thread-safety: any thread.
class EndObservers {
  public:
    void add(std::shared_ptr<WakeDescriptor> observer) {
        const std::lock_guard lock(mutex_);
        observers_.push_back(std::move(observer));
    }
    void remove(const std::shared_ptr<WakeDescriptor>& observer) noexcept {
        const std::lock_guard lock(mutex_);
        if (const auto found = std::find(observers_.begin(), observers_.end(), observer);
            found != observers_.end()) {
            observers_.erase(found);
        }
    }
    void signal() noexcept {
        const std::lock_guard lock(mutex_);
        for (const auto& observer : observers_) {
            observer->signal();
        }
    }

  private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<WakeDescriptor>> observers_;
};

}  // namespace accel::detail
