// SPDX-License-Identifier: GPL-2.0
//
// A user queue: where it lies, how far it got, and the command it is at.
//
// Who may touch what: `schedule` belongs to the scheduler and its mutex. Everything below it
// belongs to the engine that holds the queue, and to the admin queue while no engine does; the
// scheduler's mutex orders one holder after another.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>

#include "accel_hw.h"
#include "counters.hpp"
#include "memory.hpp"

namespace accel::card {

// What runs a command. The control commands run on neither engine: whoever holds the queue runs
// them.
enum class Engine : std::uint8_t { dma, compute, none };
inline constexpr unsigned engines = 2;

struct QueueStats {
    Counter commands;
    Counter doorbells;
    Counter interrupts;
    std::array<Counter, engines> busy;
    Traffic traffic;
};

struct QueueConfig {
    std::uint32_t id;
    std::uint64_t ring;
    std::uint64_t status;
    std::uint32_t entries;
    std::uint32_t vector;
    std::uint32_t priority;
};

// A CALL that is under way: which list, how far, and what its arguments are.
struct CallState {
    bool active = false;
    std::uint32_t index = 0;
    std::uint64_t start = 0;
    accel_command command{};
    std::array<std::uint64_t, ACCEL_CALL_ARGS_MAX> arguments{};
    std::uint32_t argument_count = 0;
};

// Commands copied out of a ring or a list, so that several cost one access to the bus.
struct Prefetch {
    static constexpr std::uint32_t command_count = 16;
    std::array<accel_command, command_count> commands{};
    std::uint32_t next = 0;
    std::uint32_t count = 0;

    [[nodiscard]] bool empty() const { return next == count; }
    void clear() { next = count = 0; }
};

struct Queue {
    Queue(const QueueConfig& queue_config, Context& queue_context)
        : config(queue_config), context(queue_context) {}

    enum class State : std::uint8_t { resting, ready, running, parked };
    struct Schedule {
        State state = State::resting;
        bool stopped = false;      // by an error; only a reset of the queue helps
        bool rung = false;         // doorbell since an engine took the queue
        std::uint32_t value = 0;   // of the last doorbell
        std::uint64_t ticket = 0;  // order among equals
        std::uint64_t since = 0;   // ticks from which on it may go on; with a timing model
        Engine last = Engine::dma;
        std::list<Queue*>* list = nullptr;
        std::list<Queue*>::iterator place;
    };

    // Back to an empty ring, as created.
    void rewind() {
        completed = tail = 0;
        in_hand = waiting = false;
        ring.clear();
        list.clear();
        call = CallState{};
    }

    [[nodiscard]] std::uint64_t status_field(std::uint64_t offset) const {
        return config.status + offset;
    }

    const QueueConfig config;
    Context& context;
    std::atomic<bool> stop{false};  // abandon what runs, between two pieces
    QueueStats stats;
    Schedule schedule;

    std::uint64_t completed = 0;
    std::uint64_t tail = 0;  // as last read
    Prefetch ring;
    Prefetch list;
    CallState call;
    std::uint32_t announced = 0;  // tail, as the doorbell told it: a hint
    bool in_hand = false;         // `command` was fetched and is not finished
    bool waiting = false;         // it is a WAIT that looked in vain
    std::uint64_t started = 0;    // ticks when it began
    accel_command command{};
};

}  // namespace accel::card
