// SPDX-License-Identifier: Apache-2.0
//
// The driver notifies for one sequence of a queue; several waiters, and the user's own event loop,
// may be interested in different ones. It is told the lowest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

namespace accel::detail {

/// `tell` is called with the sequence to notify for (zero: none) and returns zero or an errno. It
/// is called under the lock, so that the driver hears of changes in their order.
class Interests {
  public:
    template <typename Tell>
    [[nodiscard]] int add(std::uint64_t sequence, Tell tell) {
        const std::lock_guard lock(mutex_);
        wanted_.push_back(sequence);
        const int error = tell(lowest());
        if (error != 0) {
            wanted_.pop_back();
        }
        return error;
    }

    template <typename Tell>
    void remove(std::uint64_t sequence, Tell tell) noexcept {
        const std::lock_guard lock(mutex_);
        if (const auto found = std::find(wanted_.begin(), wanted_.end(), sequence);
            found != wanted_.end()) {
            wanted_.erase(found);
            static_cast<void>(tell(lowest()));
        }
    }

    /// The user's own: replaces the one before, zero for none.
    template <typename Tell>
    [[nodiscard]] int set_user(std::uint64_t sequence, Tell tell) noexcept {
        const std::lock_guard lock(mutex_);
        user_ = sequence;
        return tell(lowest());
    }

  private:
    [[nodiscard]] std::uint64_t lowest() const noexcept {
        std::uint64_t result = user_;
        for (const std::uint64_t sequence : wanted_) {
            result = result == 0 ? sequence : std::min(result, sequence);
        }
        return result;
    }

    std::mutex mutex_;
    std::vector<std::uint64_t> wanted_;
    std::uint64_t user_ = 0;
};

}  // namespace accel::detail
