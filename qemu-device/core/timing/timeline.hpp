// SPDX-License-Identifier: GPL-2.0
//
// Virtual time: what is to happen when, and who waits for it.
//
// With a timeline the card has no threads. The embedder calls run() when its clock has come as far
// as the card asked for, and everything that is due happens there, in order of time and, at the
// same time, in the order in which it was asked for. So two runs of the same program are the same.
//
// Everything here is called by one thread at a time: the embedder's, under its lock, or a fiber on
// top of it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <queue>
#include <utility>
#include <vector>

#include "bus.hpp"
#include "fiber.hpp"
#include "lane.hpp"

namespace accel::card {

// A fiber in virtual time.
struct Task {
    explicit Task(std::function<void()> body) : fiber(std::move(body)) {}
    Lane lane;
    Fiber fiber;
};

class Timeline {
  public:
    explicit Timeline(Bus& bus) : bus_(bus) {}

    // Ticks of the embedder's clock.
    [[nodiscard]] std::uint64_t now() const { return bus_.embedder_clock(); }

    // Does something when the clock reaches `time`; at once, but not yet, if it has.
    void at(std::uint64_t time, std::function<void()> action);

    // What is done after every action: whoever may go on now, goes on.
    void set_pump(std::function<void()> pump) { pump_ = std::move(pump); }

    // Does what is due, and asks the embedder to come back for the rest.
    void run();

    // Runs what there is, whatever the time: for the end.
    void run_out();

    // Runs a task until it waits or ends.
    void resume(Task& task);

    // ---- of the task that runs; null: none does

    [[nodiscard]] Task* current() const { return current_; }
    // Goes on when the clock reaches `time`.
    void sleep_until(std::uint64_t time);
    // Goes on when somebody resumes it.
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

    void act();
    void ask();

    Bus& bus_;
    std::priority_queue<Event, std::vector<Event>, Later> events_;
    std::function<void()> pump_;
    Task* current_ = nullptr;
    std::uint64_t order_ = 0;
    bool running_ = false;
};

// A condition variable; or, with a timeline, the place where a task waits.
class Condition {
  public:
    // News takes `delay` ticks to arrive.
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

    // With a timeline whoever waits looks again.
    void notify_all();

  private:
    Timeline* timeline_;
    std::uint64_t delay_;
    std::condition_variable variable_;
    std::vector<Task*> waiting_;
};

}  // namespace accel::card
