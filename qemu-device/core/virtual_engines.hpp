// SPDX-License-Identifier: GPL-2.0
//
// The engines of a card with a timing model: front ends, which fetch and decode commands; DMA
// channels and compute engines, which run the commands of their kind; and the control processor.
// Each is a task in virtual time. An idle task is suspended until the scheduler has a queue for it.
#pragma once

#include <memory>
#include <vector>

#include "control.hpp"
#include "processor.hpp"
#include "timing/timing_model.hpp"

namespace accel::card {

class VirtualEngines {
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
        Queue* queue = nullptr;  // null: idle
        Scratch scratch{};
        std::unique_ptr<Task> task{};
    };

    void add(Engine engine, Scheduler::ReadyLists lists, unsigned count);
    void run(Unit& unit);
    // Resumes every idle unit that the scheduler has a queue for.
    void pump();

    TimingModel& timing_;
    Timeline& timeline_;
    Scheduler& scheduler_;
    Processor& processor_;
    std::vector<std::unique_ptr<Unit>> units_;
    Task control_;
    bool polling_ = false;
    bool ending_ = false;
};

}  // namespace accel::card
