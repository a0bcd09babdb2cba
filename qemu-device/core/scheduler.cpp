// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The lists of the scheduler. Queues move between lists by splicing, so only add() allocates.
#include "scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "accel_timing.h"
#include "thread.hpp"

namespace accel::card {

namespace {

// Spins of an engine without work before it sleeps; a few microseconds in total.
constexpr int max_spins = 128;

constexpr unsigned index_of(Engine engine) {
    return static_cast<unsigned>(engine);
}

}  // namespace

Scheduler::Scheduler(std::uint32_t queues, Bus& bus, Timeline* timeline)
    : bus_(bus), virtual_time_(timeline != nullptr), put_back_(timeline), queues_(queues) {}

void Scheduler::update_ready_time(Queue& queue) const {
    if (virtual_time_) {
        queue.schedule.ready_time = std::max(queue.schedule.ready_time, bus_.clock());
    }
}

void Scheduler::move_to_list(Queue& queue, List& list, Queue::State state) {
    auto& schedule = queue.schedule;
    const bool was_ready = schedule.state == Queue::State::ready;
    list.splice(list.end(), *schedule.list, schedule.position);
    schedule.list = &list;
    schedule.state = state;
    if (was_ready) {
        ready_.left(queue);
    }
}

void Scheduler::make_ready(Queue& queue, unsigned ready_list) {
    ready_.insert(queue, ready_list);
    activity_.fetch_add(1, std::memory_order_relaxed);
}

void Scheduler::make_ready_now(Queue& queue) {
    update_ready_time(queue);
    make_ready(queue, shared_list);
}

unsigned Scheduler::sleeper(unsigned ready_list, unsigned preferred) const {
    if (paused_ || engines_hung_ || virtual_time_) {
        // Paused or hung: engines take nothing. In virtual time none sleeps.
        return engine_count;
    }
    if (ready_list != shared_list) {
        return sleeps(ready_list) ? ready_list : engine_count;
    }
    if (sleeps(preferred)) {
        return preferred;
    }
    const unsigned other = 1 - preferred;
    return sleeps(other) ? other : engine_count;
}

void Scheduler::wake_up(unsigned engine) {
    if (engine != engine_count) {
        work_[engine].notify_one();
    }
}

void Scheduler::wake_up_all() {
    for (auto& work : work_) {
        work.notify_one();
    }
}

bool Scheduler::doorbell(std::uint32_t id, std::uint32_t value) {
    unsigned wake = engine_count;
    {
        const std::lock_guard lock(mutex_);
        if (id >= queues_.size() || queues_[id] == nullptr) {
            return false;
        }
        Queue& queue = *queues_[id];
        queue.stats.doorbells.add(1);
        if (queue.schedule.stopped) {
            return true;
        }
        queue.schedule.rung = true;
        queue.schedule.doorbell_value = value;
        if (queue.schedule.state == Queue::State::idle ||
            queue.schedule.state == Queue::State::blocked) {
            make_ready_now(queue);
            wake = sleeper(shared_list, index_of(queue.schedule.last));
        }
    }
    wake_up(wake);
    return true;
}

void Scheduler::stop(Queue& queue) {
    queue.stop.store(true, std::memory_order_relaxed);
    if (queue.schedule.state == Queue::State::ready && queue.worker != nullptr) {
        const unsigned engine = queue.schedule.ready_list;
        move_to_list(queue, unwinding_.at(engine), Queue::State::unwinding);
        unwinds_.at(engine).store(true, std::memory_order_relaxed);
        activity_.fetch_add(1, std::memory_order_relaxed);
    }
}

void Scheduler::stop_all() {
    {
        const std::lock_guard lock(mutex_);
        for (auto& queue : queues_) {
            if (queue != nullptr) {
                stop(*queue);
            }
        }
    }
    wake_up_all();
}

bool Scheduler::any_ready() const {
    return ready_.waiting(shared_list) != 0;
}

bool Scheduler::any_unwinding() const {
    return std::ranges::any_of(unwinding_, [](const List& list) { return !list.empty(); });
}

unsigned Scheduler::waiting(Engine engine) const {
    const unsigned own = ready_.waiting(index_of(engine));
    if (virtual_time_) {
        return own;  // front ends serve the shared list
    }
    const bool other_is_busy = held_[1 - index_of(engine)].load(std::memory_order_relaxed) != 0;
    return other_is_busy ? own | ready_.waiting(shared_list) : own;
}

unsigned Scheduler::rivals(const Queue& queue, Engine engine) const {
    const bool unwinds = unwinds_[index_of(engine)].load(std::memory_order_relaxed);
    return waiting(engine) >> queue.config.priority | (unwinds ? 1U << priority_count : 0U);
}

Scheduler::Verdict Scheduler::verdict(const Queue& queue, Engine engine, std::uint64_t turn) const {
    const std::lock_guard lock(mutex_);
    if (queue.stop.load(std::memory_order_relaxed)) {
        return Verdict::stay;
    }
    if (!unwinding_[index_of(engine)].empty()) {
        return Verdict::make_way_at_once;
    }
    if (paused_ || engines_hung_ || shut_down_) {
        return Verdict::stay;
    }
    const unsigned rivals = waiting(engine) >> queue.config.priority;
    const bool turn_is_over = turn >= ACCEL_TIMING_TURN && (rivals & equal_rival) != 0;
    return rivals > equal_rival || turn_is_over ? Verdict::make_way : Verdict::stay;
}

Queue* Scheduler::first_ready(Engine engine, ReadyLists lists) const {
    for (unsigned priority = priority_count; priority-- > 0;) {
        Queue* const own =
            lists == ReadyLists::shared ? nullptr : ready_.front(index_of(engine), priority);
        Queue* const shared =
            lists == ReadyLists::engine ? nullptr : ready_.front(shared_list, priority);
        if (own != nullptr && shared != nullptr) {
            return shared->schedule.ticket < own->schedule.ticket ? shared : own;
        }
        if (own != nullptr || shared != nullptr) {
            return own != nullptr ? own : shared;
        }
    }
    return nullptr;
}

Queue* Scheduler::pick(Engine engine, ReadyLists lists) {
    Queue* queue = nullptr;
    if (lists != ReadyLists::shared && !unwinding_[index_of(engine)].empty()) {
        List& unwinding = unwinding_[index_of(engine)];
        queue = unwinding.front();
        move_to_list(*queue, running_, Queue::State::running);
        unwinds_[index_of(engine)].store(!unwinding.empty(), std::memory_order_relaxed);
    } else if (!paused_ && !engines_hung_ && !shut_down_) {
        poll_blocked();
        queue = first_ready(engine, lists);
        if (queue == nullptr) {
            return nullptr;
        }
        queue->schedule.rung = false;
        queue->announced = queue->schedule.doorbell_value;
        queue->schedule.last = engine;
        move_to_list(*queue, running_, Queue::State::running);
        ready_.serve(*queue);
    }
    if (queue != nullptr && engine != Engine::none) {
        held_[index_of(engine)].fetch_add(1, std::memory_order_relaxed);
    }
    return queue;
}

Queue* Scheduler::try_take(Engine engine, ReadyLists lists) {
    std::unique_lock lock(mutex_);
    return hand_out(lock, pick(engine, lists), engine);
}

bool Scheduler::has_blocked() const {
    const std::lock_guard lock(mutex_);
    return !blocked_.empty() && !paused_ && !engines_hung_ && !shut_down_;
}

Queue* Scheduler::hand_out(std::unique_lock<std::mutex>& lock, Queue* queue, Engine engine) {
    // More queues are ready than this engine can serve at once: wake up the other one.
    const unsigned wake =
        queue != nullptr && any_ready() ? sleeper(shared_list, 1 - index_of(engine)) : engine_count;
    lock.unlock();
    wake_up(wake);
    return queue;
}

Queue* Scheduler::take(Engine engine) {
    const std::uint64_t seen = activity_.load(std::memory_order_relaxed);
    if (Queue* queue = try_take(engine); queue != nullptr) {
        return queue;
    }
    for (int spin = 0; spin < max_spins && activity_.load(std::memory_order_relaxed) == seen;
         ++spin) {
        pause_cpu();
    }
    std::unique_lock lock(mutex_);
    Queue* queue = nullptr;
    auto& sleep = sleep_[index_of(engine)];
    while ((queue = pick(engine, ReadyLists::both)) == nullptr && !shut_down_) {
        if (blocked_.empty() || paused_ || engines_hung_) {
            sleep = Sleep::untimed;
            work_[index_of(engine)].wait(lock);
        } else {
            sleep = Sleep::timed;
            work_[index_of(engine)].wait_for(lock, std::chrono::nanoseconds(poll_ticks));
        }
        sleep = Sleep::awake;
    }
    return hand_out(lock, queue, engine);
}

void Scheduler::put(Queue& queue, Engine engine, const Next& next) {
    unsigned wake = engine_count;
    bool awaited = false;
    {
        const std::lock_guard lock(mutex_);
        auto& schedule = queue.schedule;
        const bool stopped = queue.stop.load(std::memory_order_relaxed);
        if (engine != Engine::none) {
            held_[index_of(engine)].fetch_sub(1, std::memory_order_relaxed);
        }
        ready_.charge(queue);
        schedule.waits = next.kind == Next::Kind::block;
        if (next.kind == Next::Kind::preempt) {
            make_ready(queue, index_of(engine));
            if (stopped) {
                stop(queue);
            }
        } else if (stopped || next.kind == Next::Kind::stop) {
            schedule.stopped = true;
            move_to_list(queue, idle_, Queue::State::idle);
        } else if (next.kind == Next::Kind::move) {
            make_ready(queue, index_of(next.engine));
            wake = sleeper(index_of(next.engine), 0);
        } else if (next.kind == Next::Kind::again || schedule.rung ||
                   (next.kind == Next::Kind::block && next.signals != signals_)) {
            // This engine calls take() next, which wakes up the other one if there is more work.
            make_ready(queue, shared_list);
        } else if (next.kind == Next::Kind::block) {
            if (blocked_.empty()) {
                next_poll_ = bus_.clock() + poll_ticks;
            }
            move_to_list(queue, blocked_, Queue::State::blocked);
            // Wake an engine from an untimed sleep, so that its next sleep is timed and it polls:
            // this engine may be busy.
            const unsigned other = 1 - index_of(engine);
            wake = !virtual_time_ && sleep_[other] == Sleep::untimed ? other : engine_count;
        } else {
            move_to_list(queue, idle_, Queue::State::idle);
        }
        update_ready_time(queue);
        awaited = paused_ || stopped;
    }
    wake_up(wake);
    if (awaited) {
        put_back_.notify_all();
    }
}

void Scheduler::wake_blocked() {
    while (!blocked_.empty()) {
        make_ready_now(*blocked_.front());
    }
}

void Scheduler::poll_blocked() {
    if (blocked_.empty()) {
        next_poll_ = UINT64_MAX;
        return;
    }
    if (const std::uint64_t now = bus_.clock(); now >= next_poll_) {
        next_poll_ = now + poll_ticks;
        wake_blocked();
    }
}

void Scheduler::poll_now() {
    const std::lock_guard lock(mutex_);
    if (!paused_ && !engines_hung_ && !shut_down_) {
        poll_blocked();
    }
}

void Scheduler::signal() {
    unsigned wake = engine_count;
    {
        const std::lock_guard lock(mutex_);
        ++signals_;
        if (!blocked_.empty()) {
            wake_blocked();
            wake = sleeper(shared_list, 0);
        }
    }
    wake_up(wake);
}

std::uint64_t Scheduler::signals() const {
    const std::lock_guard lock(mutex_);
    return signals_;
}

}  // namespace accel::card
