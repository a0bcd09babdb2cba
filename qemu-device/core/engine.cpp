// SPDX-License-Identifier: GPL-2.0
//
// The threads of the card.
#include "engine.hpp"

#include <utility>

namespace accel::card {

std::jthread start_thread(Bus& bus, std::function<void()> body) {
    return std::jthread([&bus, body = std::move(body)]() noexcept {
        bus.thread_enter();
        body();
        bus.thread_leave();
    });
}

void EngineThread::start(Engine engine, Bus& bus, Scheduler& scheduler, Processor& processor) {
    thread_ = start_thread(bus, [this, engine, &scheduler, &processor] {
        while (Queue* const queue = scheduler.take(engine)) {
            scheduler.put(*queue, engine, processor.step(*queue, engine, scratch_));
        }
    });
}

}  // namespace accel::card
