// SPDX-License-Identifier: GPL-2.0
//
// Decides and executes one step of a queue: fetch, check, run, complete. It does not care which
// thread or timer drives it.
#pragma once

#include <functional>

#include "bus.hpp"
#include "operation.hpp"
#include "scheduler.hpp"
#include "sensors.hpp"

namespace accel::card {

struct ProcessorParts {
    Bus& bus;
    DeviceMemory memory;
    Counters& counters;
    Scheduler& scheduler;
    BusyMeters& meters;
    Sensors& sensors;
    std::uint32_t list_commands;
    // Tells the driver; the event carries all but its sequence number and time. Interrupts vector
    // 0.
    std::function<void(const accel_event&)> report;
};

class Processor {
  public:
    explicit Processor(ProcessorParts parts) : parts_(std::move(parts)) {}

    // Runs at most one command of a queue that the caller took from the scheduler.
    [[nodiscard]] Next step(Queue& queue, Engine engine, Scratch& scratch);

    // Writes the status page as that of a queue that just began, the host's half too: the host
    // cannot, for until it is stopped the queue may look at its tail.
    [[nodiscard]] Status begin(Queue& queue, const std::atomic<bool>& stop);

  private:
    struct Step;  // a queue, its view of memory, and who runs it

    void spend(std::uint64_t ticks);

    enum class Fetch : std::uint8_t { command, idle };

    [[nodiscard]] Status fetch(Step& step, Fetch& result);
    [[nodiscard]] Status fetch_from_ring(Step& step, Fetch& result);
    [[nodiscard]] Status fetch_from_list(Step& step);
    [[nodiscard]] Status read_tail(Step& step);
    [[nodiscard]] Status execute(Step& step, Next& next);
    [[nodiscard]] Status run_on_engine(Step& step, const Operation& operation);
    [[nodiscard]] Status wait(Step& step, Next& next);
    [[nodiscard]] Status signal(Step& step);
    [[nodiscard]] Status begin_call(Step& step);
    [[nodiscard]] Status finish(Step& step);
    [[nodiscard]] Status complete(Step& step);
    [[nodiscard]] Status write_record(Step& step, const accel_command& command, Status status,
                                      std::uint32_t list_index, std::uint64_t start);
    void write_failure_records(Step& step, Status status);
    [[nodiscard]] Next fail(Step& step, Status status);

    ProcessorParts parts_;
};

}  // namespace accel::card
