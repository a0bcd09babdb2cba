// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The processor runs one step of a queue: it fetches, checks, runs and completes a command. It does
// not depend on the thread or timer that calls it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "bus.hpp"
#include "operation.hpp"
#include "scheduler.hpp"
#include "sensors.hpp"
#include "worker.hpp"

namespace accel::card {

struct ProcessorParts {
    Bus& bus;
    DeviceMemory memory;
    Counters& counters;
    Scheduler& scheduler;
    BusyMeters& meters;
    Sensors& sensors;
    std::uint32_t list_commands;
    std::uint32_t list_steps;
    // Posts an event to the driver; the callee adds sequence number and time.
    std::function<void(const accel_event&)> post_event;
};

class Processor {
  public:
    explicit Processor(ProcessorParts parts) : parts_(std::move(parts)) {}

    // Runs at most one command of a queue that the caller took from the scheduler. The command may
    // leave its seat, and continue on another engine of its kind.
    [[nodiscard]] Next step(Queue& queue, Engine engine, Scratch& scratch, EngineSeat& seat);

    // Writes the status page of a new or reset queue, including the host's half: the host cannot
    // reset its own half, because the queue may read `tail` until it is stopped.
    [[nodiscard]] Status begin(Queue& queue, const std::atomic<bool>& stop);

    // For the defect `progress`: the next command that an engine starts does not advance until its
    // queue is stopped, or until the defect is removed. Any thread may call it.
    void set_hangs(bool hangs) { hang_ = hangs ? Hang::armed : Hang::none; }

  private:
    // A queue, its view of memory, and the engine that runs it.
    struct Step {
        Queue& queue;
        Memory memory;
        Engine engine;
        Scratch& scratch;
        EngineSeat& seat;
        bool lines_up;  // the command was just fetched: others may wait in its engine's list
    };
    enum class Hang : std::uint8_t { none, armed, hung };

    void spend(std::uint64_t ticks);

    enum class Fetch : std::uint8_t { command, idle };

    [[nodiscard]] Status fetch(Step& step, Fetch& result);
    [[nodiscard]] Status look_for_commands(Step& step);
    [[nodiscard]] Status fetch_from_ring(Step& step, Fetch& result);
    [[nodiscard]] Status fetch_from_list(Step& step);
    [[nodiscard]] Status read_tail(Step& step);
    [[nodiscard]] Status execute(Step& step, Next& next);
    [[nodiscard]] Status run_on_engine(Step& step, const Operation& operation);
    void hang(const Queue& queue);
    [[nodiscard]] Status wait(Step& step, Next& next);
    [[nodiscard]] Status signal(Step& step);
    [[nodiscard]] Status begin_call(Step& step);
    [[nodiscard]] Status control_list(Step& step);
    [[nodiscard]] Status count_step(CallState& call) const;
    // `skipped`: commands of the list behind this one that are not executed.
    [[nodiscard]] Status finish(Step& step, std::uint32_t skipped = 0);
    [[nodiscard]] Status complete(Step& step);
    [[nodiscard]] Status write_record(Step& step, const accel_command& command, Status status,
                                      std::uint32_t list_index, std::uint64_t start);
    void write_error_block(Step& step, const accel_event& event);
    void write_failure_records(Step& step, Status status);
    [[nodiscard]] Next fail(Step& step, Status status);

    ProcessorParts parts_;
    std::atomic<Hang> hang_{Hang::none};
};

}  // namespace accel::card
