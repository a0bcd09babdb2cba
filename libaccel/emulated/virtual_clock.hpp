// SPDX-License-Identifier: Apache-2.0
//
// The clock of a card with a timing model. A thread advances it to the deadline that the card asks
// for; it stands still while the card asks for none.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace accel::emulated {

/// Thread-safety: any thread.
class VirtualClock {
  public:
    VirtualClock() = default;
    VirtualClock(const VirtualClock&) = delete;
    VirtualClock& operator=(const VirtualClock&) = delete;
    VirtualClock(VirtualClock&&) = delete;
    VirtualClock& operator=(VirtualClock&&) = delete;
    ~VirtualClock() = default;

    /// Calls `tick` in a thread of its own each time the clock reaches a deadline.
    void start(std::function<void()> tick);
    /// Ends the thread, if there is one.
    void stop();

    [[nodiscard]] std::uint64_t now();
    /// Replaces the deadline; UINT64_MAX: none.
    void set_deadline(std::uint64_t deadline);

  private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::uint64_t now_ = 0;
    std::uint64_t deadline_ = UINT64_MAX;
    std::jthread thread_;
};

}  // namespace accel::emulated
