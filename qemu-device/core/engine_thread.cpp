// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The loop of an engine's thread, and its command that the team shares.
#include "engine_thread.hpp"

#include <utility>

#include "thread.hpp"

namespace accel::card {

namespace {

// The worker that runs, and one that it can change to.
constexpr std::size_t base_workers = 2;

}  // namespace

EngineThread::EngineThread(Engine engine, Scheduler& scheduler, Processor& processor, Team& team)
    : engine_(engine),
      scheduler_(scheduler),
      processor_(processor),
      team_(team),
      workers_(base_workers, [this](Worker& worker) { run(worker); }) {}

void EngineThread::start(const Embedder& embedder) {
    thread_ = start_thread(embedder, [this] { run_workers(); });
}

void EngineThread::run_workers() {
    current_ = &workers_.take();
    while (!ending_) {
        current_->task.fiber.resume();
        workers_.sweep();
    }
    workers_.end([](Worker& worker) { worker.task.fiber.resume(); });
}

void EngineThread::change(Worker& worker, Worker& to) {
    current_ = &to;
    worker.task.fiber.yield();
}

void EngineThread::run(Worker& worker) {
    while (!ending_) {
        Queue* const queue = scheduler_.take(engine_);
        if (queue == nullptr) {
            ending_ = true;
        } else if (Worker* const holder = std::exchange(queue->worker, nullptr);
                   holder != nullptr) {
            workers_.continued();
            if (!workers_.give(worker)) {
                current_ = holder;
                return;
            }
            change(worker, *holder);
        } else {
            const Next next = processor_.step(*queue, engine_, worker.scratch, *this);
            scheduler_.put(*queue, engine_, next);
        }
    }
}

bool EngineThread::set_aside(Queue& queue, bool urgent) {
    if (!urgent && !workers_.reserve()) {
        return false;
    }
    Worker& worker = *current_;
    if (worker.shared != nullptr) {
        worker.shared->pause();
    }
    workers_.set_aside();
    queue.worker = &worker;
    scheduler_.put(queue, engine_, {.kind = Next::Kind::preempt});
    change(worker, workers_.take());
    if (worker.shared != nullptr) {
        worker.shared->proceed();
    }
    return true;
}

Status EngineThread::run(Execution& execution, const Units& units, const Parts& parts) {
    Worker& worker = *current_;
    SharedCommand shared(team_, execution, units, parts);
    worker.shared = &shared;
    const Status status = shared.run();
    worker.shared = nullptr;
    return status;
}

}  // namespace accel::card
