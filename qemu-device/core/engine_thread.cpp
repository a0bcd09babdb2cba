// SPDX-License-Identifier: GPL-2.0
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

void EngineThread::start(Engine engine, const Embedder& embedder, Scheduler& scheduler,
                         Processor& processor) {
    thread_ = start_thread(embedder, [this, engine, &scheduler, &processor] {
        while (Queue* const queue = scheduler.take(engine)) {
            scheduler.put(*queue, engine, processor.step(*queue, engine, scratch_));
        }
    });
}

}  // namespace accel::card
