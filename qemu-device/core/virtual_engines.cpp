// SPDX-License-Identifier: GPL-2.0
//
// Running the units of a card in virtual time.
#include "virtual_engines.hpp"

#include <utility>

namespace accel::card {

VirtualEngines::VirtualEngines(TimingModel& timing, Scheduler& scheduler, Processor& processor,
                               Control& control)
    : timing_(timing),
      timeline_(timing.timeline()),
      scheduler_(scheduler),
      processor_(processor),
      control_([&control] { control.run(); }) {
    add(Engine::dma, Scheduler::ReadyLists::engine, ACCEL_TIMING_DMA_CHANNELS);
    add(Engine::compute, Scheduler::ReadyLists::engine, ACCEL_TIMING_COMPUTE_ENGINES);
    add(Engine::none, Scheduler::ReadyLists::shared, ACCEL_TIMING_FRONT_ENDS);
    timeline_.set_pump([this] { pump(); });
    timeline_.at(timeline_.now(), [this] { timeline_.resume(control_); });
}

VirtualEngines::~VirtualEngines() {
    ending_ = true;
    timeline_.run_out();
    for (auto& unit : units_) {
        if (!unit->task->fiber.ended()) {
            timeline_.resume(*unit->task);
        }
    }
}

void VirtualEngines::add(Engine engine, Scheduler::ReadyLists lists, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        units_.push_back(std::make_unique<Unit>(engine, lists));
        Unit& unit = *units_.back();
        unit.task = std::make_unique<Task>([this, &unit] { run(unit); });
    }
}

void VirtualEngines::run(Unit& unit) {
    while (!ending_) {
        timing_.wait_until(unit.queue->schedule.ready_time);
        const Next next = processor_.step(*unit.queue, unit.engine, unit.scratch);
        scheduler_.put(*std::exchange(unit.queue, nullptr), unit.engine, next);
        timeline_.suspend();
    }
}

void VirtualEngines::pump() {
    for (bool again = true; again;) {
        again = false;
        for (auto& unit : units_) {
            if (unit->queue != nullptr) {
                continue;
            }
            unit->queue = scheduler_.try_take(unit->engine, unit->lists);
            if (unit->queue != nullptr) {
                timeline_.resume(*unit->task);
                again = true;
            }
        }
    }
    if (!polling_ && !ending_ && scheduler_.has_blocked()) {
        polling_ = true;
        timeline_.at(timeline_.now() + Scheduler::poll_ticks, [this] { polling_ = false; });
    }
}

}  // namespace accel::card
