// SPDX-License-Identifier: GPL-2.0
//
// The scheduler: it selects the queue that an engine serves next.
//
// The scheduler is passive: it keeps the queues in lists. An engine takes a queue, runs one step of
// it, and puts it back with the outcome. Among ready queues the highest priority is served first,
// and among equal priorities the queue that has waited longest.
//
// A single mutex protects it. The mutex is held briefly, because a doorbell of the host takes it,
// and across no callback but clock().
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

// The outcome of a step: what its queue needs next.
struct Next {
    enum class Kind : std::uint8_t {
        again,  // there may be more work, for any engine
        move,   // the current command is for `engine`
        idle,   // the ring is empty; a doorbell announces more commands
        park,   // a WAIT waits for its word; `signals` was read before the word was
        stop,   // the queue failed, or was told to stop
    };
    Kind kind;
    Engine engine = Engine::none;
    std::uint64_t signals = 0;
};

class Scheduler {
  public:
    // The queues that an engine serves: those whose command is for that kind of engine, those whose
    // next command is not known yet, or both.
    enum class Serve : std::uint8_t { own, shared, both };

    // `timeline`: null when the card has threads.
    Scheduler(std::uint32_t queues, Bus& bus, Timeline* timeline);

    // ---- the host's side: never waits for an engine

    // False: there is no such queue.
    [[nodiscard]] bool doorbell(std::uint32_t id, std::uint32_t value);
    // For resets: every queue abandons its running command.
    void stop_all();

    // ---- engines

    // The next queue for an engine; sleeps until there is one. Null: the card is being destroyed.
    [[nodiscard]] Queue* take(Engine engine);
    // The same without sleeping. Null: no queue is ready.
    [[nodiscard]] Queue* try_take(Engine engine, Serve serve = Serve::both);
    void put(Queue& queue, Engine engine, const Next& next);
    // Whether there are parked queues, whose words must be polled.
    [[nodiscard]] bool parked() const;
    // A parked queue reads its word at least this often.
    static constexpr std::uint64_t poll_ticks = 1'000'000;

    // A SIGNAL was stored: parked queues read their words again.
    void signal();
    [[nodiscard]] std::uint64_t signals() const;

    // ---- the admin queue: one thread

    void add(std::unique_ptr<Queue> queue);
    [[nodiscard]] Queue* find(std::uint32_t id);
    // Stops a queue and waits until no engine holds it. It stays stopped.
    void withdraw(Queue& queue);
    // Lets a withdrawn queue run again. It is idle.
    void restart(Queue& queue);
    // Destroys a withdrawn queue.
    void remove(std::uint32_t id);
    [[nodiscard]] bool uses(const Context& context);

    // For the defect `engines`: engines take no queue, even after resume(). Steps that run, finish.
    void hold(bool held);
    void pause();
    void resume();
    // After pause(): waits until no engine holds a queue.
    void wait_quiet();
    // Destroys all queues. The scheduler must be paused and quiet.
    void clear();
    void shut_down();

  private:
    using List = std::list<Queue*>;
    // The index of the ready list for any engine; the list for one engine has that engine's index.
    static constexpr unsigned any_engine = engine_count;
    // `light`: the engine wakes up in time to poll for parked queues.
    enum class Sleep : std::uint8_t { awake, light, sound };

    void move_to_list(Queue& queue, List& list, Queue::State state);
    void make_ready(Queue& queue, unsigned ready_list);
    void wake_parked();
    void poll_parked();
    void update_ready_time(Queue& queue) const;
    void make_ready_now(Queue& queue);
    [[nodiscard]] Queue* pick(Engine engine, Serve serve);
    [[nodiscard]] Queue* hand_out(std::unique_lock<std::mutex>& lock, Queue* queue, Engine engine);
    [[nodiscard]] bool any_ready() const;
    [[nodiscard]] bool sleeps(unsigned engine) const { return sleep_[engine] != Sleep::awake; }
    // The engine to wake up for a queue in `ready_list`, or engine_count if none sleeps.
    [[nodiscard]] unsigned sleeper(unsigned ready_list, unsigned preferred) const;
    void wake_up(unsigned engine);
    void wake_up_all();

    Bus& bus_;
    const bool timed_;
    mutable std::mutex mutex_;
    std::array<std::condition_variable, engine_count> work_;
    Condition quiet_;
    std::vector<std::unique_ptr<Queue>> queues_;
    std::array<std::array<List, ACCEL_PRIORITIES>, engine_count + 1> ready_;
    List resting_;
    List running_;
    List parked_;
    std::array<Sleep, engine_count> sleep_{};
    std::uint64_t ticket_ = 0;
    std::uint64_t signals_ = 0;
    std::uint64_t next_poll_ = 0;
    std::atomic<std::uint64_t> activity_{0};  // changes when work arrives; spinning engines read it
    bool paused_ = true;
    bool held_ = false;
    bool shut_down_ = false;
};

}  // namespace accel::card
