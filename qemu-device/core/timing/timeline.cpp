// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Running the events of virtual time in their order.
#include "timeline.hpp"

#include <utility>

namespace accel::card {

void Timeline::at(std::uint64_t time, std::function<void()> action) {
    const bool first = events_.empty() || time < events_.top().time;
    events_.push({.time = time, .order = ++order_, .action = std::move(action)});
    if (first && !running_) {
        request_timer();
    }
}

void Timeline::request_timer() {
    embedder_.timer(events_.empty() ? UINT64_MAX : events_.top().time);
}

void Timeline::run_next() {
    // The action may add events, so the event is removed first.
    const std::function<void()> action = std::move(const_cast<Event&>(events_.top()).action);
    events_.pop();
    action();
    if (pump_) {
        pump_();
    }
}

void Timeline::run() {
    running_ = true;
    while (!events_.empty() && events_.top().time <= now()) {
        run_next();
    }
    running_ = false;
    request_timer();
}

void Timeline::run_out() {
    running_ = true;
    while (!events_.empty()) {
        run_next();
    }
    running_ = false;
}

void Timeline::resume(Task& task) {
    Task* const before = std::exchange(current_, &task);
    task.fiber.resume();
    current_ = before;
}

void Timeline::sleep_until(std::uint64_t time) {
    if (time > now()) {
        at(time, [this, task = current_] { resume(*task); });
        suspend();
    }
}

void Timeline::suspend() {
    current_->fiber.yield();
}

void Condition::notify_all() {
    if (timeline_ == nullptr) {
        variable_.notify_all();
        return;
    }
    for (Task* const task : std::exchange(waiting_, {})) {
        timeline_->at(timeline_->now() + delay_, [this, task] { timeline_->resume(*task); });
    }
}

}  // namespace accel::card
