// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The threads of a card without a timing model.
#include "engine_thread.hpp"

#include <utility>

namespace accel::card {

std::jthread start_thread(const Embedder& embedder, std::function<void()> body) {
    return std::jthread([&embedder, body = std::move(body)]() noexcept {
        embedder.thread_enter();
        body();
        embedder.thread_leave();
    });
}

namespace {

// The worker that runs, and one that it can change to.
constexpr std::size_t base_workers = 2;

}  // namespace

EngineThread::EngineThread(Engine engine, Scheduler& scheduler, Processor& processor)
    : engine_(engine),
      scheduler_(scheduler),
      processor_(processor),
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
    workers_.set_aside();
    queue.worker = &worker;
    scheduler_.put(queue, engine_, {.kind = Next::Kind::preempt});
    change(worker, workers_.take());
    return true;
}

}  // namespace accel::card
