// SPDX-License-Identifier: Apache-2.0
//
// The thread of the virtual clock.
#include "virtual_clock.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "signals.hpp"

namespace accel::emulated {

void VirtualClock::start(std::function<void()> tick) {
    const SignalBlock block;
    const auto run = [this, tick = std::move(tick)](const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (changed_.wait(lock, stop, [this] { return deadline_ != UINT64_MAX; })) {
            now_ = std::max(now_, std::exchange(deadline_, UINT64_MAX));
            lock.unlock();
            tick();
            lock.lock();
        }
    };
    try {
        thread_ = std::jthread(run);
    } catch (const std::system_error& error) {
        throw std::system_error(error.code(), "cannot start a thread");
    }
}

void VirtualClock::stop() {
    if (thread_.joinable()) {
        thread_.request_stop();
        thread_.join();
    }
}

std::uint64_t VirtualClock::now() {
    const std::lock_guard lock(mutex_);
    return now_;
}

void VirtualClock::set_deadline(std::uint64_t deadline) {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
    changed_.notify_all();
}

}  // namespace accel::emulated
