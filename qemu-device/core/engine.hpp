// SPDX-License-Identifier: GPL-2.0
//
// An engine as a thread: takes a queue, runs a step, puts it back. It ends after
// Scheduler::shut_down() and is joined when destroyed.
#pragma once

#include <functional>
#include <thread>

#include "processor.hpp"

namespace accel::card {

// A thread of the card, bracketed as the embedder asked. No exception leaves it.
[[nodiscard]] std::jthread start_thread(Bus& bus, std::function<void()> body);

class EngineThread {
  public:
    void start(Engine engine, Bus& bus, Scheduler& scheduler, Processor& processor);

  private:
    Scratch scratch_;
    std::jthread thread_;
};

}  // namespace accel::card
