// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Virtual time: a queue of future events, and the tasks that wait for them.
//
// With a timeline the card has no threads. The embedder calls run() when its clock reaches the time
// that the card asked for. run() executes all due events in order of time. Events of the same time
// run in the order in which they were added, so two runs of the same program are identical.
//
// One thread at a time calls this code: a thread of the embedder, under its lock, or a fiber that
// such a thread resumed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <utility>
#include <vector>

#include "embedder.hpp"
#include "fiber.hpp"
#include "local_time.hpp"

namespace accel::card {

// A fiber in virtual time.
struct Task {
    explicit Task(std::function<void()> body) : fiber(std::move(body)) {}
    LocalTime local_time;
    Fiber fiber;
};

class Timeline {
  public:
    explicit Timeline(const Embedder& embedder) : embedder_(embedder) {}

    // Ticks of the embedder's clock.
    [[nodiscard]] std::uint64_t now() const { return embedder_.clock(); }

    // Adds an event: `action` runs when the clock reaches `time`. It never runs within this call.
    void at(std::uint64_t time, std::function<void()> action);

    // Sets a function that runs after every action, to resume the tasks that can continue.
    void set_pump(std::function<void()> pump) { pump_ = std::move(pump); }

    // Runs all due events, and asks the embedder for a timer for the next one.
    void run();

    // Runs all events regardless of their time, before the card is destroyed.
    void run_out();

    // Runs a task until it waits or ends.
    void resume(Task& task);

    // ---- the running task

    // Null: no task is running.
    [[nodiscard]] Task* current() const { return current_; }
    // Suspends it until the clock reaches `time`.
    void sleep_until(std::uint64_t time);
    // Suspends it until resume().
    void suspend();

  private:
    struct Event {
        std::uint64_t time;
        std::uint64_t order;
        std::function<void()> action;
    };
    struct Later {
        bool operator()(const Event& a, const Event& b) const {
            return a.time != b.time ? a.time > b.time : a.order > b.order;
        }
    };

    void run_next();
    void request_timer();

    const Embedder& embedder_;
    std::priority_queue<Event, std::vector<Event>, Later> events_;
    std::function<void()> pump_;
    Task* current_ = nullptr;
    std::uint64_t order_ = 0;
    bool running_ = false;
};

// A condition variable of the card. With a timeline, tasks wait on it instead of threads.
class Condition {
  public:
    // With a timeline, a notification arrives after `delay` ticks.
    explicit Condition(Timeline* timeline, std::uint64_t delay = 0)
        : timeline_(timeline), delay_(delay) {}

    template <typename Predicate>
    void wait(std::unique_lock<std::mutex>& lock, Predicate&& holds) {
        if (timeline_ == nullptr) {
            variable_.wait(lock, std::forward<Predicate>(holds));
            return;
        }
        while (!holds()) {
            waiting_.push_back(timeline_->current());
            lock.unlock();
            timeline_->suspend();
            lock.lock();
        }
    }

    // With a timeline, all waiting tasks test their predicates again.
    void notify_all();

  private:
    Timeline* timeline_;
    std::uint64_t delay_;
    std::condition_variable variable_;
    std::vector<Task*> waiting_;
};

}  // namespace accel::card
