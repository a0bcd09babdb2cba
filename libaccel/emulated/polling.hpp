// SPDX-License-Identifier: Apache-2.0
//
// Polling for a condition that must come true. The tests poll with it as well.
#pragma once

#include <chrono>
#include <concepts>
#include <thread>

namespace accel::emulated {

// How long anything may take before it counts as hanging. Nothing measures time against this.
inline constexpr std::chrono::seconds hang_limit{60};

// Polls until the condition holds. False means that it never will, not that it was slow.
template <std::predicate Condition>
[[nodiscard]] bool eventually(Condition condition) {
    constexpr int busy_polls = 200;
    const auto deadline = std::chrono::steady_clock::now() + hang_limit;
    for (int polls = 0; !condition(); ++polls) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        // A sleep and not yield(): on a busy machine, yield() gives up a whole time slice.
        if (polls > busy_polls) {
            std::this_thread::sleep_for(std::chrono::microseconds(20));
        }
    }
    return true;
}

}  // namespace accel::emulated
