// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The set of workers grows with the number of preempted commands, and shrinks again.
#include "worker.hpp"

#include <new>
#include <utility>

namespace accel::card {

Workers::Workers(std::size_t base, std::function<void(Worker&)> body)
    : base_(base), body_(std::move(body)) {
    while (all_.size() < base_) {
        add();
    }
}

void Workers::add() {
    free_.reserve(all_.size() + 1);  // so that give() does not allocate
    all_.push_back(std::make_unique<Worker>(body_));
    free_.push_back(all_.back().get());
}

Worker& Workers::take() {
    Worker& worker = *free_.back();
    free_.pop_back();
    return worker;
}

bool Workers::give(Worker& worker) {
    if (all_.size() > base_ + aside_ + max_spare) {
        ended_some_ = true;
        return false;
    }
    free_.push_back(&worker);
    return true;
}

bool Workers::reserve() {
    if (all_.size() > base_ + aside_) {
        return true;
    }
    try {
        add();
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

void Workers::sweep() {
    if (std::exchange(ended_some_, false)) {
        std::erase_if(all_, [](const auto& worker) { return worker->task.fiber.ended(); });
    }
}

void Workers::end(const std::function<void(Worker&)>& resume) {
    for (auto& worker : all_) {
        if (!worker->task.fiber.ended()) {
            resume(*worker);
        }
    }
}

}  // namespace accel::card
