// SPDX-License-Identifier: GPL-2.0
//
// The engines of a card in virtual time: front ends, which fetch and decode, DMA channels and
// compute engines, which run what is for them; and the control processor. Each is a task; whoever
// has nothing to do waits in a list until the scheduler has a queue for it.
#pragma once

#include <memory>
#include <vector>

#include "control.hpp"
#include "processor.hpp"
#include "timing.hpp"

namespace accel::card {

class VirtualEngines {
  public:
    VirtualEngines(Timing& timing, Scheduler& scheduler, Processor& processor, Control& control);
    // The scheduler and the control processor were told to end.
    ~VirtualEngines();
    VirtualEngines(const VirtualEngines&) = delete;
    VirtualEngines& operator=(const VirtualEngines&) = delete;
    VirtualEngines(VirtualEngines&&) = delete;
    VirtualEngines& operator=(VirtualEngines&&) = delete;

  private:
    // One engine, channel or front end.
    struct Unit {
        Unit(Engine kind, Scheduler::Serve what) : engine(kind), serve(what) {}
        Engine engine;
        Scheduler::Serve serve;
        Queue* queue = nullptr;  // null: idle
        Scratch scratch{};
        std::unique_ptr<Task> task{};
    };

    void add(Engine engine, Scheduler::Serve serve, unsigned count);
    void run(Unit& unit);
    void pump();

    Timing& timing_;
    Timeline& timeline_;
    Scheduler& scheduler_;
    Processor& processor_;
    std::vector<std::unique_ptr<Unit>> units_;
    Task control_;
    bool polling_ = false;
    bool ending_ = false;
};

}  // namespace accel::card
