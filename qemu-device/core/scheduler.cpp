// SPDX-License-Identifier: GPL-2.0
//
// The lists of the scheduler. Queues move between lists by splicing, so only add() allocates.
#include "scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace accel::card {

namespace {

// How often an engine without work checks for new work before it sleeps: a few microseconds.
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
    : bus_(bus), timed_(timeline != nullptr), quiet_(timeline), queues_(queues) {}

void Scheduler::update_ready_time(Queue& queue) const {
    if (timed_) {
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
    make_ready(queue, any_engine);
}

unsigned Scheduler::sleeper(unsigned ready_list, unsigned preferred) const {
    if (paused_ || held_ || timed_) {
        return engine_count;  // in virtual time no engine sleeps
    }
    if (ready_list != any_engine) {
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
        if (queue.schedule.state == Queue::State::resting ||
            queue.schedule.state == Queue::State::parked) {
            make_ready_now(queue);
            wake = sleeper(any_engine, index_of(queue.schedule.last));
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
    return std::ranges::any_of(ready_[any_engine], [](const List& list) { return !list.empty(); });
}

Queue* Scheduler::pick(Engine engine, Serve serve) {
    if (paused_ || held_) {
        return nullptr;
    }
    poll_parked();
    static const std::array<List, ACCEL_PRIORITIES> nothing;
    const auto& own = serve == Serve::shared ? nothing : ready_[index_of(engine)];
    const auto& any = serve == Serve::own ? nothing : ready_[any_engine];
    for (unsigned priority = ACCEL_PRIORITIES; priority-- > 0;) {
        Queue* const mine = own[priority].empty() ? nullptr : own[priority].front();
        Queue* const shared = any[priority].empty() ? nullptr : any[priority].front();
        Queue* queue = mine != nullptr ? mine : shared;
        if (mine != nullptr && shared != nullptr &&
            shared->schedule.ticket < mine->schedule.ticket) {
            queue = shared;
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

Queue* Scheduler::try_take(Engine engine, Serve serve) {
    std::unique_lock lock(mutex_);
    return hand_out(lock, shut_down_ ? nullptr : pick(engine, serve), engine);
}

bool Scheduler::parked() const {
    const std::lock_guard lock(mutex_);
    return !parked_.empty() && !paused_ && !held_ && !shut_down_;
}

Queue* Scheduler::hand_out(std::unique_lock<std::mutex>& lock, Queue* queue, Engine engine) {
    // More queues are ready than this engine can serve at once: wake up the other one.
    const unsigned wake =
        queue != nullptr && any_ready() ? sleeper(any_engine, 1 - index_of(engine)) : engine_count;
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
    while (!shut_down_ && (queue = pick(engine, Serve::both)) == nullptr) {
        if (parked_.empty() || paused_ || held_) {
            sleep = Sleep::sound;
            work_[index_of(engine)].wait(lock);
        } else {
            sleep = Sleep::light;
            work_[index_of(engine)].wait_for(lock, std::chrono::nanoseconds(poll_ticks));
        }
        sleep = Sleep::awake;
    }
    return hand_out(lock, queue, engine);
}

void Scheduler::put(Queue& queue, Engine engine, const Next& next) {
    unsigned wake = engine_count;
    bool quiet = false;
    {
        const std::lock_guard lock(mutex_);
        auto& schedule = queue.schedule;
        const bool stopped = queue.stop.load(std::memory_order_relaxed);
        if (stopped || next.kind == Next::Kind::stop) {
            schedule.stopped = true;
            move_to_list(queue, resting_, Queue::State::resting);
        } else if (next.kind == Next::Kind::move) {
            make_ready(queue, index_of(next.engine));
            wake = sleeper(index_of(next.engine), 0);
        } else if (next.kind == Next::Kind::again || schedule.rung ||
                   (next.kind == Next::Kind::park && next.signals != signals_)) {
            // This engine calls take() next, which wakes up the other one if there is more work.
            make_ready(queue, any_engine);
        } else if (next.kind == Next::Kind::park) {
            if (parked_.empty()) {
                next_poll_ = bus_.clock() + poll_ticks;
            }
            move_to_list(queue, parked_, Queue::State::parked);
            // The parked queue must be polled, and this engine may be busy soon.
            const unsigned other = 1 - index_of(engine);
            wake = !timed_ && sleep_[other] == Sleep::sound ? other : engine_count;
        } else {
            move_to_list(queue, resting_, Queue::State::resting);
        }
        update_ready_time(queue);
        quiet = paused_ || stopped;
    }
    wake_up(wake);
    if (quiet) {
        quiet_.notify_all();
    }
}

void Scheduler::wake_parked() {
    while (!parked_.empty()) {
        make_ready_now(*parked_.front());
    }
}

void Scheduler::poll_parked() {
    if (parked_.empty()) {
        return;
    }
    if (const std::uint64_t now = bus_.clock(); now >= next_poll_) {
        next_poll_ = now + poll_ticks;
        wake_parked();
    }
}

void Scheduler::signal() {
    unsigned wake = engine_count;
    {
        const std::lock_guard lock(mutex_);
        ++signals_;
        if (!parked_.empty()) {
            wake_parked();
            wake = sleeper(any_engine, 0);
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
    move_to_list(*queue, resting_, Queue::State::resting);
    queues_[queue->config.id] = std::move(queue);
}

Queue* Scheduler::find(std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    return id < queues_.size() ? queues_[id].get() : nullptr;
}

void Scheduler::withdraw(Queue& queue) {
    std::unique_lock lock(mutex_);
    queue.stop.store(true, std::memory_order_relaxed);
    queue.schedule.stopped = true;
    quiet_.wait(lock, [&] { return queue.schedule.state != Queue::State::running; });
    move_to_list(queue, resting_, Queue::State::resting);
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

void Scheduler::hold(bool held) {
    {
        const std::lock_guard lock(mutex_);
        held_ = held;
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

void Scheduler::wait_quiet() {
    std::unique_lock lock(mutex_);
    quiet_.wait(lock, [this] { return running_.empty(); });
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
