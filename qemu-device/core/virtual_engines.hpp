// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The engines of a card with a timing model: front ends, which fetch and decode commands; DMA
// channels and compute engines, which run the commands of their kind; and the control processor.
// Each is a unit that runs the task of a worker, in virtual time, while it has a queue. The command
// of a worker that was set aside continues on any unit of its kind.
#pragma once

#include <cstddef>
#include <vector>

#include "control.hpp"
#include "processor.hpp"
#include "timing/timing_model.hpp"
#include "worker.hpp"

namespace accel::card {

class VirtualEngines final : EngineSeat {
  public:
    VirtualEngines(TimingModel& timing, Scheduler& scheduler, Processor& processor,
                   Control& control);
    // Before that, the scheduler and the control processor must be shut down.
    ~VirtualEngines();
    VirtualEngines(const VirtualEngines&) = delete;
    VirtualEngines& operator=(const VirtualEngines&) = delete;
    VirtualEngines(VirtualEngines&&) = delete;
    VirtualEngines& operator=(VirtualEngines&&) = delete;

  private:
    // One engine, channel or front end.
    struct Unit {
        Unit(Engine kind, Scheduler::ReadyLists served) : engine(kind), lists(served) {}
        Engine engine;
        Scheduler::ReadyLists lists;
        Queue* queue = nullptr;    // null: idle
        Worker* worker = nullptr;  // null: idle
        LocalTime time{};          // of its last worker, when that left it
    };

    [[nodiscard]] static std::vector<Unit> make_units();
    // The loop of a worker.
    void run(Worker& worker);
    [[nodiscard]] bool set_aside(Queue& queue, bool urgent) override;
    // Runs every idle unit that the scheduler has a queue for.
    void pump();
    void start(std::size_t index);

    TimingModel& timing_;
    Timeline& timeline_;
    Scheduler& scheduler_;
    Processor& processor_;
    std::vector<Unit> units_;
    Workers workers_;
    Task control_;
    bool polling_ = false;
    bool ending_ = false;
};

}  // namespace accel::card
