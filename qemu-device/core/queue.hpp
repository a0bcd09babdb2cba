// SPDX-License-Identifier: GPL-2.0
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
};

// Commands copied out of a ring or a command list, so that several need only one bus access.
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

    enum class State : std::uint8_t { idle, ready, running, blocked };
    struct Schedule {
        State state = State::idle;
        bool stopped = false;  // by an error or by the admin queue, until the queue is reset
        bool rung = false;     // the doorbell was rung since an engine took the queue
        std::uint32_t doorbell_value = 0;  // of the last doorbell
        std::uint64_t ticket = 0;          // the order among queues of one priority
        std::uint64_t ready_time = 0;      // with a timing model: it may not run before this tick
        Engine last = Engine::dma;         // the engine that held it last
        std::list<Queue*>* list = nullptr;
        std::list<Queue*>::iterator position;  // in `list`
    };

    // Restores the state after creation: an empty ring.
    void rewind() {
        completed = tail = 0;
        has_command = waiting = false;
        ring.clear();
        list.clear();
        call = CallState{};
    }

    [[nodiscard]] std::uint64_t status_field(std::uint64_t offset) const {
        return config.status + offset;
    }

    const QueueConfig config;
    Context& context;
    std::atomic<bool> stop{false};  // the running command must end, between two pieces
    QueueStats stats;
    Schedule schedule;

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
