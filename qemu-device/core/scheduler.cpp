// SPDX-License-Identifier: GPL-2.0
//
// The lists of the scheduler. Queues move between lists by splicing, so only add() allocates.
#include "scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace accel::card {

namespace {

// Spins of an engine without work before it sleeps; a few microseconds in total.
constexpr int max_spins = 128;

void pause_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

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
    list.splice(list.end(), *schedule.list, schedule.position);
    schedule.list = &list;
    schedule.state = state;
}

void Scheduler::make_ready(Queue& queue, unsigned ready_list) {
    queue.schedule.ticket = ++ticket_;
    move_to_list(queue, ready_[ready_list][queue.config.priority], Queue::State::ready);
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

void Scheduler::stop_all() {
    const std::lock_guard lock(mutex_);
    for (auto& queue : queues_) {
        if (queue != nullptr) {
            queue->stop.store(true, std::memory_order_relaxed);
        }
    }
}

bool Scheduler::any_ready() const {
    return std::ranges::any_of(ready_[shared_list], [](const List& list) { return !list.empty(); });
}

Queue* Scheduler::pick(Engine engine, ReadyLists lists) {
    if (paused_ || engines_hung_) {
        return nullptr;
    }
    poll_blocked();
    static const std::array<List, ACCEL_PRIORITIES> empty_lists;
    const auto& engine_lists = lists == ReadyLists::shared ? empty_lists : ready_[index_of(engine)];
    const auto& shared_lists = lists == ReadyLists::engine ? empty_lists : ready_[shared_list];
    for (unsigned priority = ACCEL_PRIORITIES; priority-- > 0;) {
        Queue* const engine_queue =
            engine_lists[priority].empty() ? nullptr : engine_lists[priority].front();
        Queue* const shared_queue =
            shared_lists[priority].empty() ? nullptr : shared_lists[priority].front();
        Queue* queue = engine_queue != nullptr ? engine_queue : shared_queue;
        if (engine_queue != nullptr && shared_queue != nullptr &&
            shared_queue->schedule.ticket < engine_queue->schedule.ticket) {
            queue = shared_queue;
        }
        if (queue != nullptr) {
            queue->schedule.rung = false;
            queue->announced = queue->schedule.doorbell_value;
            queue->schedule.last = engine;
            move_to_list(*queue, running_, Queue::State::running);
            return queue;
        }
    }
    return nullptr;
}

Queue* Scheduler::try_take(Engine engine, ReadyLists lists) {
    std::unique_lock lock(mutex_);
    return hand_out(lock, shut_down_ ? nullptr : pick(engine, lists), engine);
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
    while (!shut_down_ && (queue = pick(engine, ReadyLists::both)) == nullptr) {
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
        if (stopped || next.kind == Next::Kind::stop) {
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
        return;
    }
    if (const std::uint64_t now = bus_.clock(); now >= next_poll_) {
        next_poll_ = now + poll_ticks;
        wake_blocked();
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
    queue.stop.store(true, std::memory_order_relaxed);
    queue.schedule.stopped = true;
    put_back_.wait(lock, [&] { return queue.schedule.state != Queue::State::running; });
    move_to_list(queue, idle_, Queue::State::idle);
}

void Scheduler::restart(Queue& queue) {
    const std::lock_guard lock(mutex_);
    queue.stop.store(false, std::memory_order_relaxed);
    queue.schedule.stopped = false;
    queue.schedule.rung = false;
    queue.schedule.doorbell_value = 0;
}

void Scheduler::remove(std::uint32_t id) {
    std::unique_ptr<Queue> queue;  // freed after the lock
    const std::lock_guard lock(mutex_);
    queue = std::move(queues_[id]);
    queue->schedule.list->erase(queue->schedule.position);
}

bool Scheduler::uses(const Context& context) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(queues_, [&](const auto& queue) {
        return queue != nullptr && &queue->context == &context;
    });
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
    put_back_.wait(lock, [this] { return running_.empty(); });
}

void Scheduler::clear() {
    const std::lock_guard lock(mutex_);
    for (auto& queue : queues_) {
        if (queue != nullptr) {
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
