// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The scheduler: it selects the queue that an engine serves next.
//
// The scheduler is passive: it keeps the queues in lists. An engine takes a queue, runs one step of
// it, and puts it back with the outcome. ready_queues.hpp has the order of ready queues. A running
// command asks between two pieces whether it must make way (the data sheet, section 4.5).
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

#include "ready_queues.hpp"
#include "timing/timeline.hpp"

namespace accel::card {

// The outcome of a step: what its queue needs next.
struct Next {
    enum class Kind : std::uint8_t {
        again,    // there may be more work, for any engine
        move,     // the current command is for `engine`
        preempt,  // the current command was preempted, and Queue::worker holds it
        idle,     // the ring is empty; a doorbell announces more commands
        block,    // a WAIT waits for its word; `signals` was read before the word was
        stop,     // the queue failed, or was told to stop
    };
    Kind kind;
    Engine engine = Engine::none;
    std::uint64_t signals = 0;
};

class Scheduler {
  public:
    // The ready lists that an engine serves. Those of an engine hold queues whose command is for
    // it, the shared ones hold queues whose next command is not known yet.
    enum class ReadyLists : std::uint8_t { engine, shared, both };

    // `timeline`: null when the card has threads.
    Scheduler(std::uint32_t queues, Bus& bus, Timeline* timeline);

    // ---- the host's side: never waits for an engine

    // False: there is no such queue.
    [[nodiscard]] bool doorbell(std::uint32_t id, std::uint32_t value);
    // For resets: every queue abandons its command, running or preempted.
    void stop_all();

    // ---- engines

    // The next queue for an engine; sleeps until there is one. Null: the card is being destroyed.
    [[nodiscard]] Queue* take(Engine engine);
    // The same without sleeping. Null: no queue is ready.
    [[nodiscard]] Queue* try_take(Engine engine, ReadyLists lists = ReadyLists::both);
    void put(Queue& queue, Engine engine, const Next& next);

    // The queues that may be entitled to the engine that runs a command of `queue`, as bits:
    // equal_rival is one of its priority, higher bits are more urgent. It is quick, and may be out
    // of date; verdict() is exact.
    static constexpr unsigned equal_rival = 1;
    [[nodiscard]] unsigned rivals(const Queue& queue, Engine engine) const;
    // Whether queues of its priority or a higher one wait in the list of an engine.
    [[nodiscard]] bool must_line_up(const Queue& queue, Engine engine) const {
        return ready_.waiting(static_cast<unsigned>(engine)) >> queue.config.priority != 0;
    }
    enum class Verdict : std::uint8_t {
        stay,
        make_way,         // for a queue of higher priority, or because the turn is over
        make_way_at_once  // for a preempted command of a queue that is being stopped
    };
    // `turn`: how long the command has had the engine.
    [[nodiscard]] Verdict verdict(const Queue& queue, Engine engine, std::uint64_t turn) const;

    // For an engine that works on a long command: makes blocked queues ready when it is time that
    // they read their words.
    void poll(std::uint64_t now) {
        if (now >= next_poll_.load(std::memory_order_relaxed)) {
            poll_now();
        }
    }
    // Whether there are blocked queues, whose words must be polled.
    [[nodiscard]] bool has_blocked() const;
    // A blocked queue reads its word at least this often.
    static constexpr std::uint64_t poll_ticks = 1'000'000;

    // A SIGNAL was stored: blocked queues read their words again.
    void signal();
    [[nodiscard]] std::uint64_t signals() const;

    // ---- the admin queue: one thread

    void add(std::unique_ptr<Queue> queue);
    [[nodiscard]] Queue* find(std::uint32_t id);
    // Stops a queue and waits until no engine holds it, and no worker its command. It stays
    // stopped.
    void quiesce(Queue& queue);
    // Lets a quiesced queue run again, from the state idle.
    void restart(Queue& queue);
    // Destroys a quiesced queue.
    void remove(std::uint32_t id);
    [[nodiscard]] bool uses(const Context& context);
    // The answer of ADMIN_QUERY_QUEUES for a queue.
    [[nodiscard]] accel_queue_report report(std::uint32_t id) const;

    // For the defect `engines`: engines take no queue, even after resume(). Steps that run, finish.
    void set_engines_hung(bool hung);
    void pause();
    void resume();
    // After pause(): waits until no engine holds a queue. Commands that were preempted stay so,
    // unless their queues are stopped.
    void wait_until_idle();
    // Destroys all queues. The scheduler must be paused, and no engine holds a queue.
    void clear();
    void shut_down();

  private:
    using List = ReadyQueues::List;
    static constexpr unsigned shared_list = ReadyQueues::shared;
    // `timed`: the engine wakes up in time to poll for blocked queues.
    enum class Sleep : std::uint8_t { awake, timed, untimed };

    void move_to_list(Queue& queue, List& list, Queue::State state);
    void make_ready(Queue& queue, unsigned ready_list);
    void wake_blocked();
    void poll_blocked();
    void poll_now();
    void update_ready_time(Queue& queue) const;
    void make_ready_now(Queue& queue);
    // Stops a queue. A preempted command is handed out once more, so that it ends.
    void stop(Queue& queue);
    [[nodiscard]] bool any_unwinding() const;
    [[nodiscard]] Queue* pick(Engine engine, ReadyLists lists);
    [[nodiscard]] Queue* first_ready(Engine engine, ReadyLists lists) const;
    // The priorities that wait for an engine, as bits.
    [[nodiscard]] unsigned waiting(Engine engine) const;
    [[nodiscard]] Queue* hand_out(std::unique_lock<std::mutex>& lock, Queue* queue, Engine engine);
    [[nodiscard]] bool any_ready() const;
    [[nodiscard]] bool sleeps(unsigned engine) const { return sleep_[engine] != Sleep::awake; }
    // The engine to wake up for a queue in `ready_list`, or engine_count if none sleeps.
    [[nodiscard]] unsigned sleeper(unsigned ready_list, unsigned preferred) const;
    void wake_up(unsigned engine);
    void wake_up_all();

    Bus& bus_;
    const bool virtual_time_;
    mutable std::mutex mutex_;
    std::array<std::condition_variable, engine_count> work_;
    Condition put_back_;  // a queue that is stopped, or whose scheduler is paused, was put back
    std::vector<std::unique_ptr<Queue>> queues_;
    ReadyQueues ready_;
    List idle_;
    List running_;
    List blocked_;
    // Stopped queues whose commands are preempted, by the engine that must end them.
    std::array<List, engine_count> unwinding_;
    std::array<std::atomic<bool>, engine_count> unwinds_{};  // whether that list has a queue
    // The queues that each engine holds. Front ends are not counted.
    std::array<std::atomic<unsigned>, engine_count> held_{};
    std::array<Sleep, engine_count> sleep_{};
    std::uint64_t signals_ = 0;
    std::atomic<std::uint64_t> next_poll_{UINT64_MAX};  // no earlier, if a queue is blocked
    std::atomic<std::uint64_t> activity_{0};  // changes when work arrives; spinning engines read it
    bool paused_ = true;
    bool engines_hung_ = false;
    bool shut_down_ = false;
};

}  // namespace accel::card
