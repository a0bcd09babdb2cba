// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Starting threads, and counting the cores that they may use.
#include "thread.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <utility>

namespace accel::card {

std::jthread start_thread(const Embedder& embedder, std::function<void()> body) {
    return std::jthread([&embedder, body = std::move(body)]() noexcept {
        embedder.thread_enter();
        body();
        embedder.thread_leave();
    });
}

unsigned usable_cores() {
    // Room for the most cores that Linux supports.
    std::array<cpu_set_t, 8> cores{};
    if (sched_getaffinity(0, sizeof cores, cores.data()) == 0) {
        return static_cast<unsigned>(std::max(CPU_COUNT_S(sizeof cores, cores.data()), 1));
    }
    return std::max(std::thread::hardware_concurrency(), 1U);
}

}  // namespace accel::card
