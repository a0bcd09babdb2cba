// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Running the units of a card in virtual time.
#include "virtual_engines.hpp"

#include <algorithm>
#include <utility>

namespace accel::card {

std::vector<VirtualEngines::Unit> VirtualEngines::make_units() {
    std::vector<Unit> units;
    const auto add = [&units](Engine engine, Scheduler::ReadyLists lists, unsigned count) {
        units.insert(units.end(), count, Unit(engine, lists));
    };
    add(Engine::dma, Scheduler::ReadyLists::engine, ACCEL_TIMING_DMA_CHANNELS);
    add(Engine::compute, Scheduler::ReadyLists::engine, ACCEL_TIMING_COMPUTE_ENGINES);
    add(Engine::none, Scheduler::ReadyLists::shared, ACCEL_TIMING_FRONT_ENDS);
    return units;
}

VirtualEngines::VirtualEngines(TimingModel& timing, Scheduler& scheduler, Processor& processor,
                               Control& control)
    : timing_(timing),
      timeline_(timing.timeline()),
      scheduler_(scheduler),
      processor_(processor),
      units_(make_units()),
      workers_(units_.size(), [this](Worker& worker) { run(worker); }),
      control_([&control] { control.run(); }) {
    timeline_.set_pump([this] { pump(); });
    timeline_.at(timeline_.now(), [this] { timeline_.resume(control_); });
}

VirtualEngines::~VirtualEngines() {
    ending_ = true;
    timeline_.run_out();
    pump();  // ends the commands that were set aside
    workers_.end([this](Worker& worker) { timeline_.resume(worker.task); });
}

void VirtualEngines::run(Worker& worker) {
    while (!ending_) {
        timing_.wait_until(units_[worker.unit].queue->schedule.ready_time);
        const Next next = processor_.step(*units_[worker.unit].queue, units_[worker.unit].engine,
                                          worker.scratch, *this);
        Unit& unit = units_[worker.unit];  // another one, if the worker was set aside
        scheduler_.put(*std::exchange(unit.queue, nullptr), unit.engine, next);
        unit.worker = nullptr;
        unit.time = worker.task.local_time;
        if (!workers_.give(worker)) {
            return;
        }
        timeline_.suspend();
    }
}

bool VirtualEngines::set_aside(Queue& queue, bool urgent) {
    Unit& unit = *std::ranges::find(units_, &queue, &Unit::queue);
    // An idle unit serves the other queue, as soon as the pump runs.
    const bool needed = std::ranges::none_of(units_, [&](const Unit& other) {
        return other.engine == unit.engine && other.queue == nullptr;
    });
    if (!needed || (!urgent && !workers_.reserve())) {
        return false;
    }
    Worker& worker = *std::exchange(unit.worker, nullptr);
    workers_.set_aside();
    queue.worker = &worker;
    unit.queue = nullptr;
    unit.time = worker.task.local_time;
    unit.time.join(unit.time.latest() + ACCEL_TIMING_SWITCH * picoseconds_per_tick);
    scheduler_.put(queue, unit.engine, {.kind = Next::Kind::preempt});
    timeline_.suspend();
    return true;
}

// Runs a unit that has a queue again, with the worker that holds the queue's command or a free one.
void VirtualEngines::start(std::size_t index) {
    Unit& unit = units_[index];
    unit.worker = std::exchange(unit.queue->worker, nullptr);
    if (unit.worker == nullptr) {
        unit.worker = &workers_.take();
        unit.worker->task.local_time = unit.time;
    } else {
        workers_.continued();
        LocalTime& time = unit.worker->task.local_time;
        time.join(
            std::max({time.latest(), unit.time.latest(), timeline_.now() * picoseconds_per_tick}));
    }
    unit.worker->unit = index;
    timeline_.resume(unit.worker->task);
}

void VirtualEngines::pump() {
    workers_.sweep();
    for (bool again = true; again;) {
        again = false;
        for (std::size_t i = 0; i < units_.size(); ++i) {
            Unit& unit = units_[i];
            if (unit.queue != nullptr) {
                continue;
            }
            unit.queue = scheduler_.try_take(unit.engine, unit.lists);
            if (unit.queue != nullptr) {
                start(i);
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
