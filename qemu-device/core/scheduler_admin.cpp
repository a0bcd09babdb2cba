// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The scheduler as the admin queue and resets use it: queues are added, stopped and removed.
#include <algorithm>
#include <utility>

#include "scheduler.hpp"

namespace accel::card {

namespace {

accel_queue_activity activity_of(const Queue::Schedule& schedule) {
    if (schedule.stopped) {
        return ACCEL_ACTIVITY_STOPPED;
    }
    if (schedule.waits) {  // also while the card looks at its word again
        return ACCEL_ACTIVITY_BLOCKED;
    }
    switch (schedule.state) {
        case Queue::State::ready:
            return ACCEL_ACTIVITY_READY;
        case Queue::State::running:
        case Queue::State::unwinding:
            return ACCEL_ACTIVITY_RUNNING;
        case Queue::State::blocked:
            return ACCEL_ACTIVITY_BLOCKED;
        default:
            return ACCEL_ACTIVITY_IDLE;
    }
}

}  // namespace

void Scheduler::add(std::unique_ptr<Queue> queue) {
    List node{queue.get()};
    const std::lock_guard lock(mutex_);
    auto& schedule = queue->schedule;
    schedule.position = node.begin();
    schedule.list = &node;
    move_to_list(*queue, idle_, Queue::State::idle);
    queues_[queue->config.id] = std::move(queue);
}

Queue* Scheduler::find(std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    return id < queues_.size() ? queues_[id].get() : nullptr;
}

void Scheduler::quiesce(Queue& queue) {
    std::unique_lock lock(mutex_);
    stop(queue);
    queue.schedule.stopped = true;
    wake_up_all();
    put_back_.wait(lock, [&] {
        return queue.schedule.state != Queue::State::running &&
               queue.schedule.state != Queue::State::unwinding;
    });
    move_to_list(queue, idle_, Queue::State::idle);
}

void Scheduler::restart(Queue& queue) {
    const std::lock_guard lock(mutex_);
    queue.stop.store(false, std::memory_order_relaxed);
    queue.schedule.stopped = false;
    queue.schedule.rung = false;
    queue.schedule.waits = false;
    queue.schedule.doorbell_value = 0;
}

void Scheduler::remove(std::uint32_t id) {
    std::unique_ptr<Queue> queue;  // freed after the lock
    const std::lock_guard lock(mutex_);
    queue = std::move(queues_[id]);
    queue->schedule.list->erase(queue->schedule.position);  // it is idle since quiesce()
}

bool Scheduler::uses(const Context& context) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(queues_, [&](const auto& queue) {
        return queue != nullptr && &queue->context == &context;
    });
}

accel_queue_report Scheduler::report(std::uint32_t id) const {
    const std::lock_guard lock(mutex_);
    accel_queue_report report{};
    if (id >= queues_.size() || queues_[id] == nullptr) {
        return report;
    }
    const Queue& queue = *queues_[id];
    const Progress& progress = queue.progress;
    report.pieces = progress.pieces.read();
    report.completed = progress.completed.read();
    report.opcode = progress.opcode.read();
    report.ticks = progress.ticks.read();
    const std::uint64_t turn_started = progress.turn_started.read();
    if (const std::uint64_t now = bus_.embedder_clock(); turn_started != 0 && now > turn_started) {
        report.ticks += now - turn_started;
    }
    report.activity = activity_of(queue.schedule);
    report.error = queue.failure.status.load(std::memory_order_acquire);
    if (report.error != ACCEL_OK) {
        report.activity = ACCEL_ACTIVITY_STOPPED;
        report.error_sequence = queue.failure.sequence;
        report.error_address = queue.failure.address;
        report.error_list_index = queue.failure.list_index;
        report.error_opcode = queue.failure.opcode;
    }
    return report;
}

void Scheduler::pause() {
    const std::lock_guard lock(mutex_);
    paused_ = true;
}

void Scheduler::set_engines_hung(bool hung) {
    {
        const std::lock_guard lock(mutex_);
        engines_hung_ = hung;
        activity_.fetch_add(1, std::memory_order_relaxed);
    }
    wake_up_all();
}

void Scheduler::resume() {
    {
        const std::lock_guard lock(mutex_);
        paused_ = false;
        activity_.fetch_add(1, std::memory_order_relaxed);
    }
    wake_up_all();
}

void Scheduler::wait_until_idle() {
    std::unique_lock lock(mutex_);
    put_back_.wait(lock, [this] { return running_.empty() && !any_unwinding(); });
}

void Scheduler::clear() {
    const std::lock_guard lock(mutex_);
    for (auto& queue : queues_) {
        if (queue != nullptr) {
            move_to_list(*queue, idle_, Queue::State::idle);
            queue->schedule.list->erase(queue->schedule.position);
            queue.reset();
        }
    }
}

void Scheduler::shut_down() {
    {
        const std::lock_guard lock(mutex_);
        shut_down_ = true;
        activity_.fetch_add(1, std::memory_order_relaxed);
    }
    wake_up_all();
}

}  // namespace accel::card
