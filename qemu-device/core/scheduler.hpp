// SPDX-License-Identifier: GPL-2.0
//
// Which queue an engine serves next.
//
// The scheduler is passive: it keeps queues in lists and hands them out; engines take a queue, run
// one step of it and put it back with what comes next. Among ready queues the highest priority goes
// first, and the one that has waited longest among equals.
//
// One mutex, short, never held across a callback but clock(): the host's doorbell takes it.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "queue.hpp"
#include "timing/timeline.hpp"

namespace accel::card {

// What a step of a queue left behind.
struct Next {
    enum class Kind : std::uint8_t {
        again,  // there may be more to do, by any engine
        move,   // the command in hand is for `engine`
        idle,   // caught up; the doorbell says when there is more
        park,   // waits for a word; `signals` was read before the word was
        stop,   // failed, or was told to stop
    };
    Kind kind;
    Engine engine = Engine::none;
    std::uint64_t signals = 0;
};

class Scheduler {
  public:
    // What a taker serves: queues whose command is for its engine, those that no engine is asked
    // for yet, or both.
    enum class Serve : std::uint8_t { own, shared, both };

    // `timeline`: the card's, if it has one instead of threads.
    Scheduler(std::uint32_t queues, Bus& bus, Timeline* timeline);

    // ---- the host's side: never waits for an engine

    // False: no such queue.
    [[nodiscard]] bool doorbell(std::uint32_t id, std::uint32_t value);
    // Every queue abandons what it runs. For resets.
    void stop_all();

    // ---- engines

    // The next queue for an engine; sleeps until there is one. Null: the card is being destroyed.
    [[nodiscard]] Queue* take(Engine engine);
    // The same without sleeping; null: nothing to do now.
    [[nodiscard]] Queue* try_take(Engine engine, Serve serve = Serve::both);
    void put(Queue& queue, Engine engine, const Next& next);
    // Whether queues wait that must be polled for.
    [[nodiscard]] bool parked() const;
    static constexpr std::uint64_t poll_ticks =
        1'000'000;  // a queue in WAIT looks at least this often

    // A SIGNAL was stored: queues that wait look again.
    void signal();
    [[nodiscard]] std::uint64_t signals() const;

    // ---- the admin queue: one thread

    void add(std::unique_ptr<Queue> queue);
    [[nodiscard]] Queue* find(std::uint32_t id);
    // Stops a queue and waits until no engine holds it. It stays stopped.
    void withdraw(Queue& queue);
    // A withdrawn queue may run again; it is idle.
    void restart(Queue& queue);
    // Forgets a withdrawn queue.
    void remove(std::uint32_t id);
    [[nodiscard]] bool uses(const Context& context);

    // Engines take nothing, whatever else is wanted of them; what they have they finish.
    void hold(bool held);
    void pause();
    void resume();
    // After pause(): waits until no engine holds a queue.
    void wait_quiet();
    // Forgets all queues; paused and quiet.
    void clear();
    void shut_down();

  private:
    using List = std::list<Queue*>;
    // Ready lists: for either engine by its index, for both at any_engine.
    static constexpr unsigned any_engine = engines;
    // Lightly: it wakes in time to poll for queues in WAIT.
    enum class Sleep : std::uint8_t { awake, light, sound };

    void enlist(Queue& queue, List& list, Queue::State state);
    void make_ready(Queue& queue, unsigned where);
    void wake_parked();
    void poll_parked();
    void note_time(Queue& queue) const;
    void make_ready_now(Queue& queue);
    [[nodiscard]] Queue* pick(Engine engine, Serve serve);
    [[nodiscard]] Queue* hand_out(std::unique_lock<std::mutex>& lock, Queue* queue, Engine engine);
    [[nodiscard]] bool any_ready() const;
    [[nodiscard]] bool sleeps(unsigned engine) const { return sleep_[engine] != Sleep::awake; }
    // The engine that should be woken for work of kind `where`, or engines if none sleeps.
    [[nodiscard]] unsigned sleeper(unsigned where, unsigned preferred) const;

    Bus& bus_;
    const bool timed_;
    mutable std::mutex mutex_;
    std::array<std::condition_variable, engines> work_;
    Condition quiet_;
    std::vector<std::unique_ptr<Queue>> queues_;
    std::array<std::array<List, ACCEL_PRIORITIES>, engines + 1> ready_;
    List resting_;
    List running_;
    List parked_;
    std::array<Sleep, engines> sleep_{};
    std::uint64_t ticket_ = 0;
    std::uint64_t signals_ = 0;
    std::uint64_t next_poll_ = 0;
    std::atomic<std::uint64_t> activity_{0};  // moves when work arrives: for those who spin
    bool paused_ = true;
    bool held_ = false;
    bool shut_down_ = false;
};

}  // namespace accel::card
