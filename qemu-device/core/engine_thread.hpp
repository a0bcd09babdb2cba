// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// An engine as a thread, in a card without a timing model: it takes a queue, runs a step of it, and
// puts it back. It ends after Scheduler::shut_down(), and is joined when destroyed.
//
// The thread runs one of its workers at a time. A command that it sets aside continues on the same
// thread, because only this engine takes its queue again.
#pragma once

#include <thread>

#include "processor.hpp"
#include "shared_command.hpp"

namespace accel::card {

class EngineThread final : EngineSeat, Crew {
  public:
    EngineThread(Engine engine, Scheduler& scheduler, Processor& processor, Team& team);
    void start(const Embedder& embedder);

  private:
    [[nodiscard]] bool set_aside(Queue& queue, bool urgent) override;
    [[nodiscard]] Crew* crew() override { return team_.threads() > 1 ? this : nullptr; }
    [[nodiscard]] unsigned threads() const override { return team_.threads(); }
    [[nodiscard]] Status run(Execution& execution, const Units& units, const Parts& parts) override;
    void run_workers();
    // The loop of a worker.
    void run(Worker& worker);
    // Continues with another worker. Returns when another one continues with `worker`.
    void change(Worker& worker, Worker& to);

    const Engine engine_;
    Scheduler& scheduler_;
    Processor& processor_;
    Team& team_;
    Workers workers_;
    Worker* current_ = nullptr;
    bool ending_ = false;
    std::jthread thread_;
};

}  // namespace accel::card
