// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Threads of a card without a timing model.
#pragma once

#include <functional>
#include <thread>

#include "embedder.hpp"

namespace accel::card {

// Starts a thread of the card, with the embedder's callbacks before and after `body`. No exception
// may leave `body`.
[[nodiscard]] std::jthread start_thread(const Embedder& embedder, std::function<void()> body);

// The cores that the process may use: those of the caller's affinity.
[[nodiscard]] unsigned usable_cores();

// In a loop that waits for another thread for a moment.
inline void pause_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace accel::card
