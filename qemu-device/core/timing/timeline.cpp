// SPDX-License-Identifier: GPL-2.0
//
// The order of events.
#include "timeline.hpp"

#include <utility>

namespace accel::card {

void Timeline::at(std::uint64_t time, std::function<void()> action) {
    const bool first = events_.empty() || time < events_.top().time;
    events_.push({.time = time, .order = ++order_, .action = std::move(action)});
    if (first && !running_) {
        ask();
    }
}

void Timeline::ask() {
    bus_.timer(events_.empty() ? UINT64_MAX : events_.top().time);
}

void Timeline::act() {
    // The action may add events, so it leaves the queue first.
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
        act();
    }
    running_ = false;
    ask();
}

void Timeline::run_out() {
    running_ = true;
    while (!events_.empty()) {
        act();
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
