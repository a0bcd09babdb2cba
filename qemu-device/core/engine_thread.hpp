// SPDX-License-Identifier: GPL-2.0
//
// An engine as a thread, in a card without a timing model: it takes a queue, runs a step of it, and
// puts it back. It ends after Scheduler::shut_down(), and is joined when destroyed.
#pragma once

#include <functional>
#include <thread>

#include "processor.hpp"

namespace accel::card {

// Starts a thread of the card, with the embedder's callbacks before and after `body`. No exception
// may leave `body`.
[[nodiscard]] std::jthread start_thread(const Embedder& embedder, std::function<void()> body);

class EngineThread {
  public:
    void start(Engine engine, const Embedder& embedder, Scheduler& scheduler, Processor& processor);

  private:
    Scratch scratch_;
    std::jthread thread_;
};

}  // namespace accel::card
