// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A user queue: its configuration, its progress, and its current command.
//
// Ownership: the scheduler owns `schedule`, under its mutex. The engine that holds the queue owns
// the members below `schedule`; while no engine holds the queue, the admin queue owns them. The
// scheduler's mutex orders one holder after another.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>

#include "accel_hw.h"
#include "commands/call.hpp"
#include "context.hpp"
#include "counters.hpp"
#include "engine.hpp"

namespace accel::card {

struct QueueStats {
    Counter commands;
    Counter doorbells;
    Counter interrupts;
    std::array<Counter, engine_count> busy;
    Traffic traffic;
};

struct QueueConfig {
    std::uint32_t id;
    std::uint64_t ring;
    std::uint64_t status;
    std::uint32_t entries;
    std::uint32_t vector;
    std::uint32_t priority;
    std::uint64_t time_limit;  // ticks of device time for a command of the ring; zero: none
};

// User priorities, and that of the driver.
inline constexpr unsigned priority_count = ACCEL_PRIORITY_DRIVER + 1;

// Commands copied out of a ring or a command list, so that several need only one bus access.
struct Prefetch {
    static constexpr std::uint32_t command_count = 16;
    std::array<accel_command, command_count> commands{};
    std::uint32_t next = 0;
    std::uint32_t count = 0;

    std::uint64_t first = 0;  // the place of the first command; only of a list

    [[nodiscard]] bool empty() const { return next == count; }
    void clear() { next = count = 0; }
    // Continues at another place. Commands that were copied are not copied again.
    void seek(std::uint64_t place) {
        if (place >= first && place - first < count) {
            next = static_cast<std::uint32_t>(place - first);
        } else {
            clear();
        }
    }
};

// The card's report of a queue. The holder of the queue writes it, and the admin queue reads it
// at any time.
struct Progress {
    Published<std::uint64_t> pieces;
    Published<std::uint64_t> completed;
    Published<std::uint64_t> ticks;         // device time of the ring's command, without this turn
    Published<std::uint64_t> turn_started;  // zero: no engine works on the command
    Published<std::uint32_t> opcode;        // of the current command
};

// The error of a queue, kept until it is reset. The other members are written before `status`.
struct Failure {
    std::atomic<std::uint32_t> status{ACCEL_OK};
    std::uint64_t sequence = 0;
    std::uint64_t address = 0;
    std::uint32_t list_index = 0;
    std::uint32_t opcode = 0;
};

struct Worker;

struct Queue {
    Queue(const QueueConfig& queue_config, Context& queue_context)
        : config(queue_config), context(queue_context) {}

    // unwinding: stopped while its command is preempted, which must end before the queue is idle.
    enum class State : std::uint8_t { idle, ready, running, blocked, unwinding };
    struct Schedule {
        State state = State::idle;
        bool stopped = false;  // by an error or by the admin queue, until the queue is reset
        bool rung = false;     // the doorbell was rung since an engine took the queue
        std::uint32_t doorbell_value = 0;  // of the last doorbell
        bool waits = false;                // its command is a WAIT that did not end
        std::uint64_t ticket = 0;          // the order in which queues became ready
        std::uint64_t ready_time = 0;      // with a timing model: it may not run before this tick
        Engine last = Engine::dma;         // the engine that held it last
        unsigned ready_list = 0;           // the ready list that it is in, or was taken from
        // Device time: the place in the ready list, and the time used, for each kind of list.
        std::uint64_t start = 0;
        std::array<std::uint64_t, engine_count + 1> used{};
        std::list<Queue*>* list = nullptr;
        std::list<Queue*>::iterator position;  // in `list`
    };

    // Restores the state after creation: an empty ring.
    void rewind() {
        completed = tail = 0;
        progress.completed.set(0);
        progress.ticks.set(0);
        progress.opcode.set(0);
        failure.status.store(ACCEL_OK, std::memory_order_relaxed);
        has_command = waiting = false;
        ring.clear();
        list.clear();
        call = CallState{};
    }

    [[nodiscard]] std::uint64_t status_field(std::uint64_t offset) const {
        return config.status + offset;
    }

    // The place of the current command in the list of a CALL.
    [[nodiscard]] std::uint32_t list_index() const {
        return call.active ? call.index : ACCEL_NO_LIST_INDEX;
    }

    const QueueConfig config;
    Context& context;
    std::atomic<bool> stop{false};  // the running command must end, between two pieces
    QueueStats stats;
    Progress progress;
    Failure failure;
    Schedule schedule;

    Worker* worker = nullptr;  // the worker that holds the preempted command, if it is preempted
    std::array<std::uint64_t, engine_count> charge{};  // ticks of engines since it was taken
    std::uint64_t completed = 0;
    std::uint64_t tail = 0;  // as last read
    Prefetch ring;
    Prefetch list;
    CallState call;
    std::uint32_t announced = 0;  // the tail as the doorbell announced it: only a hint
    bool has_command = false;     // `command` was fetched and is not finished
    bool waiting = false;         // `command` is a WAIT whose value has not been reached
    std::uint64_t started = 0;    // the tick at which `command` began
    accel_command command{};
};

}  // namespace accel::card
