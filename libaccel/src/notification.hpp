// SPDX-License-Identifier: Apache-2.0
//
// The notifications of one queue. The driver notifies for one sequence number of a queue, but
// several waiters and the user's event loop may wait for different ones. The driver is told the
// lowest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

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

}  // namespace accel::detail
