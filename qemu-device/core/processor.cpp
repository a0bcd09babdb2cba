// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// One step of a queue.
//
// Ordering: `tail` is read before the commands that it announces, and again after `event_index` is
// visible. The writes of a command are visible before `completed` is, and `arm` is read after it.
#include "processor.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>

#include "commands/call.hpp"
#include "commands/list_control.hpp"
#include "events.hpp"
#include "ordering.hpp"
#include "turn.hpp"

namespace accel::card {

void Processor::spend(std::uint64_t ticks) {
    if (TimingModel* const timing = parts_.bus.timing(); timing != nullptr) {
        timing->spend(ticks);
    }
}

namespace {

Status check_header(const accel_command& command, const Operation& operation) {
    if ((command.flags & ~ACCEL_CMD_FLAGS) != 0 || command.reserved != 0 ||
        (command.variant != 0 && !operation.uses_variant)) {
        return ACCEL_BAD_FIELD;
    }
    if ((command.flags & ACCEL_CMD_RECORD) == 0) {
        return command.record == 0 ? ACCEL_OK : ACCEL_BAD_FIELD;
    }
    return aligned(command.record, sizeof(accel_completion_record)) ? ACCEL_OK
                                                                    : ACCEL_BAD_ALIGNMENT;
}

Status check_semaphore(const accel_semaphore& semaphore) {
    if (!all_zero(semaphore.reserved)) {
        return ACCEL_BAD_FIELD;
    }
    return aligned(semaphore.address, sizeof(std::uint64_t)) ? ACCEL_OK : ACCEL_BAD_ALIGNMENT;
}

}  // namespace

Status Processor::begin(Queue& queue, const std::atomic<bool>& stop) {
    Memory memory(queue.context, parts_.bus, parts_.memory, parts_.counters, queue.stats.traffic,
                  stop);
    accel_queue_status page{};
    page.state = ACCEL_QUEUE_RUNNING;
    return memory.write(queue.config.status, &page, sizeof page);
}

Next Processor::step(Queue& queue, Engine engine, Scratch& scratch, EngineSeat& seat) {
    Step step{.queue = queue,
              .memory = Memory(queue.context, parts_.bus, parts_.memory, parts_.counters,
                               queue.stats.traffic, queue.stop),
              .engine = engine,
              .scratch = scratch,
              .seat = seat,
              .lines_up = !queue.has_command};
    step.memory.set_thread(scratch.recent, scratch.lane);
    if (!queue.has_command) {
        Fetch result = Fetch::command;
        if (Status status = fetch(step, result); status != ACCEL_OK) {
            return fail(step, status);
        }
        if (result == Fetch::idle) {
            return {.kind = Next::Kind::idle};
        }
    }
    Next next{.kind = Next::Kind::again};
    if (Status status = execute(step, next); status != ACCEL_OK) {
        return fail(step, status);
    }
    return next;
}

Status Processor::read_tail(Step& step) {
    Queue& queue = step.queue;
    std::uint64_t tail = 0;
    if (Status status =
            step.memory.read_word(queue.status_field(offsetof(accel_queue_status, tail)), tail);
        status != ACCEL_OK) {
        return status;
    }
    acquire_fence();
    if (tail - queue.completed > queue.config.entries) {
        return ACCEL_BAD_DOORBELL;
    }
    queue.tail = tail;
    return ACCEL_OK;
}

Status Processor::fetch(Step& step, Fetch& result) {
    return step.queue.call.active ? fetch_from_list(step) : fetch_from_ring(step, result);
}

// Reads `tail`. If the ring is empty, the queue publishes that in `event_index` and reads it again.
Status Processor::look_for_commands(Step& step) {
    Queue& queue = step.queue;
    if (queue.completed == queue.tail) {
        // If the doorbell announced commands, the card reads them and `tail` at the same time.
        const std::uint32_t announced =
            queue.announced - static_cast<std::uint32_t>(queue.completed);
        const bool prefetches = announced != 0 && announced <= queue.config.entries;
        const Overlapped overlapped(prefetches ? parts_.bus.timing() : nullptr);
        if (Status status = read_tail(step); status != ACCEL_OK) {
            return status;
        }
    }
    if (queue.completed != queue.tail) {
        return ACCEL_OK;
    }
    // The queue becomes idle: from here on the host must ring the doorbell, unless it submitted a
    // command before `event_index` was visible to it.
    if (Status status = step.memory.write_word(
            queue.status_field(offsetof(accel_queue_status, event_index)), queue.tail);
        status != ACCEL_OK) {
        return status;
    }
    full_fence();
    return read_tail(step);
}

Status Processor::fetch_from_ring(Step& step, Fetch& result) {
    Queue& queue = step.queue;
    if (queue.ring.empty()) {
        if (Status status = look_for_commands(step); status != ACCEL_OK) {
            return status;
        }
        if (queue.completed == queue.tail) {
            result = Fetch::idle;
            return ACCEL_OK;
        }
        const std::uint64_t slot = queue.completed % queue.config.entries;
        const auto count = std::min<std::uint64_t>(
            {queue.tail - queue.completed, queue.config.entries - slot, Prefetch::command_count});
        if (Status status =
                step.memory.read_block(queue.config.ring + slot * ACCEL_COMMAND_SIZE,
                                       queue.ring.commands.data(), count * ACCEL_COMMAND_SIZE);
            status != ACCEL_OK) {
            return status;
        }
        queue.ring.next = 0;
        queue.ring.count = static_cast<std::uint32_t>(count);
    }
    queue.command = queue.ring.commands[queue.ring.next++];
    queue.has_command = true;
    return ACCEL_OK;
}

Status Processor::fetch_from_list(Step& step) {
    Queue& queue = step.queue;
    CallState& call = queue.call;
    if (call.between_passes()) {
        queue.command = call.loop().command;
        queue.has_command = true;
        return count_step(call);
    }
    queue.list.seek(call.index);
    if (queue.list.empty()) {
        const std::uint64_t address =
            call.command.call.list + std::uint64_t{call.index} * ACCEL_COMMAND_SIZE;
        // Within a page: a page that no command is taken from need not be mapped.
        const std::uint64_t in_page =
            (ACCEL_PAGE_SIZE - address % ACCEL_PAGE_SIZE) / ACCEL_COMMAND_SIZE;
        const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(
            {call.command.call.count - call.index, Prefetch::command_count, in_page}));
        if (Status status = step.memory.read_block(address, queue.list.commands.data(),
                                                   std::uint64_t{count} * ACCEL_COMMAND_SIZE);
            status != ACCEL_OK) {
            return status;
        }
        queue.list.first = call.index;
        queue.list.next = 0;
        queue.list.count = count;
    }
    queue.command = queue.list.commands[queue.list.next++];
    queue.has_command = true;
    if (const Operation* operation = find_operation(queue.command.opcode); operation != nullptr) {
        if (Status status = resolve_arguments(call, operation->addresses, queue.command);
            status != ACCEL_OK) {
            return status;
        }
    }
    return count_step(call);
}

Status Processor::count_step(CallState& call) const {
    return ++call.steps > parts_.list_steps ? ACCEL_STEP_LIMIT : ACCEL_OK;
}

Status Processor::execute(Step& step, Next& next) {
    Queue& queue = step.queue;
    const Operation* operation = find_operation(queue.command.opcode);
    if (operation == nullptr) {
        return ACCEL_BAD_OPCODE;
    }
    if (operation->engine != Engine::none &&
        (operation->engine != step.engine ||
         (step.lines_up && parts_.scheduler.must_line_up(queue, step.engine)))) {
        next = {.kind = Next::Kind::move, .engine = operation->engine};
        return ACCEL_OK;
    }
    if (exceeds_limit(queue, queue.progress.ticks.read())) {
        return ACCEL_TIME_LIMIT;
    }
    queue.progress.opcode.set(queue.command.opcode);
    spend(ACCEL_TIMING_DECODE);
    if (!queue.waiting) {
        queue.started = parts_.bus.clock();
        if (operation->engine == Engine::none) {
            queue.progress.ticks.add(ACCEL_TIMING_DECODE);
        }
    }
    if (Status status = check_header(queue.command, *operation); status != ACCEL_OK) {
        return status;
    }
    switch (queue.command.opcode) {
        case ACCEL_OP_NOP:
            if (!all_zero(queue.command.words)) {
                return ACCEL_BAD_FIELD;
            }
            break;
        case ACCEL_OP_CALL:
            return begin_call(step);
        case ACCEL_OP_WAIT:
            return wait(step, next);
        case ACCEL_OP_SIGNAL:
            return signal(step);
        case ACCEL_OP_LOOP:
        case ACCEL_OP_SKIP:
        case ACCEL_OP_SET_ARGUMENT:
            return control_list(step);
        default:
            return run_on_engine(step, *operation);
    }
    return finish(step);
}

Status Processor::run_on_engine(Step& step, const Operation& operation) {
    Queue& queue = step.queue;
    if (TimingModel* const timing = parts_.bus.timing(); timing != nullptr) {
        timing->set_clock_share(parts_.sensors.clock_share(queue.started));
        timing->spend(ACCEL_TIMING_LAUNCH);
    }
    Turn turn({.bus = parts_.bus,
               .scheduler = parts_.scheduler,
               .meter = parts_.meters[static_cast<unsigned>(step.engine)],
               .queue = queue,
               .engine = step.engine,
               .seat = step.seat});
    hang(queue);
    Crew* const crew = step.seat.crew();
    Execution execution{.command = queue.command,
                        .memory = step.memory,
                        .scratch = step.scratch,
                        .threads = crew != nullptr ? crew->threads() : 1,
                        .crew = crew,
                        .call = queue.call.active ? &queue.call : nullptr};
    step.memory.set_checkpoint(&turn);
    const Status status = operation.run(execution);
    step.memory.set_checkpoint(nullptr);
    const std::uint64_t now = parts_.bus.clock();
    turn.end(now);
    if (parts_.sensors.overheated(now)) {
        parts_.post_event(plain_event(ACCEL_EVENT_THERMAL, ACCEL_OK));
    }
    return status == ACCEL_OK ? finish(step) : status;
}

void Processor::hang(const Queue& queue) {
    Hang armed = Hang::armed;
    if (!hang_.compare_exchange_strong(armed, Hang::hung)) {
        return;
    }
    while (hang_ == Hang::hung && !queue.stop.load(std::memory_order_relaxed)) {
        if (TimingModel* const timing = parts_.bus.timing(); timing != nullptr) {
            timing->spend(Scheduler::poll_ticks);
            timing->settle();
        } else {
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
    }
    Hang hung = Hang::hung;
    hang_.compare_exchange_strong(hung, Hang::none);
}

Status Processor::wait(Step& step, Next& next) {
    Queue& queue = step.queue;
    const accel_semaphore& semaphore = queue.command.semaphore;
    if (Status status = check_semaphore(semaphore); status != ACCEL_OK) {
        return status;
    }
    const std::uint64_t signals = parts_.scheduler.signals();
    std::uint64_t value = 0;
    if (Status status = step.memory.read_word(semaphore.address, value); status != ACCEL_OK) {
        return status;
    }
    queue.waiting = value < semaphore.value;
    if (queue.waiting) {
        next = {.kind = Next::Kind::block, .signals = signals};
        return ACCEL_OK;
    }
    acquire_fence();
    return finish(step);
}

Status Processor::signal(Step& step) {
    Queue& queue = step.queue;
    const accel_semaphore& semaphore = queue.command.semaphore;
    if (Status status = check_semaphore(semaphore); status != ACCEL_OK) {
        return status;
    }
    release_fence();
    if (Status status = step.memory.write_word(semaphore.address, semaphore.value);
        status != ACCEL_OK) {
        return status;
    }
    parts_.scheduler.signal();
    return finish(step);
}

Status Processor::begin_call(Step& step) {
    Queue& queue = step.queue;
    if (queue.call.active) {
        return ACCEL_NESTED_CALL;
    }
    if (Status status = start_call(queue.command, parts_.list_commands, step.memory, queue.call);
        status != ACCEL_OK) {
        return status;
    }
    queue.call.start = queue.started;
    if (queue.call.command.call.count == 0) {
        return finish(step);
    }
    queue.call.active = true;
    queue.list.clear();
    queue.has_command = false;
    return ACCEL_OK;
}

// LOOP, SKIP and SET_ARGUMENT.
Status Processor::control_list(Step& step) {
    Queue& queue = step.queue;
    CallState& call = queue.call;
    if (!call.active) {
        return ACCEL_BAD_OPCODE;
    }
    std::uint32_t skipped = 0;
    Status status = ACCEL_OK;
    if (queue.command.opcode == ACCEL_OP_LOOP) {
        // Between two passes virtual time catches up, so that others have their turns.
        if (Status stopped = step.memory.check(); stopped != ACCEL_OK) {
            return stopped;
        }
        Pass pass{};
        status = run_loop(queue.command, queue.started, step.memory, call, pass);
        if (status == ACCEL_OK && pass.begins) {
            queue.progress.pieces.add(1);
            queue.has_command = false;
            return ACCEL_OK;
        }
        if (status == ACCEL_OK) {
            queue.started = pass.loop_start;
            skipped = queue.command.loop.commands;
        }
    } else if (queue.command.opcode == ACCEL_OP_SKIP) {
        status = run_skip(queue.command, step.memory, call, skipped);
    } else {
        status = run_set_argument(queue.command, step.memory, call);
    }
    return status == ACCEL_OK ? finish(step, skipped) : status;
}

// Finishes a command that succeeded: writes its record, and finishes the CALL if it was the last
// command of a list.
Status Processor::finish(Step& step, std::uint32_t skipped) {
    Queue& queue = step.queue;
    if (Status status =
            write_record(step, queue.command, ACCEL_OK, queue.list_index(), queue.started);
        status != ACCEL_OK) {
        return status;
    }
    parts_.counters.commands.add(1);
    queue.stats.commands.add(1);
    queue.progress.pieces.add(1);
    if (!queue.call.active) {
        return complete(step);
    }
    queue.has_command = false;
    queue.call.continue_at(queue.call.index + 1 + skipped);
    if (queue.call.index < queue.call.command.call.count) {
        return ACCEL_OK;
    }
    queue.call.active = false;
    queue.command = queue.call.command;
    queue.started = queue.call.start;
    queue.has_command = true;
    return finish(step);
}

Status Processor::complete(Step& step) {
    Queue& queue = step.queue;
    const std::uint64_t before = queue.completed;
    const std::uint64_t now = before + 1;
    // The next command does not wait for this one's completion to reach the host.
    const Overlapped overlapped(parts_.bus.timing());
    release_fence();
    if (Status status = step.memory.write_word(
            queue.status_field(offsetof(accel_queue_status, completed)), now);
        status != ACCEL_OK) {
        return status;
    }
    queue.completed = now;
    queue.has_command = false;
    queue.progress.completed.set(now);
    queue.progress.ticks.set(0);
    queue.progress.opcode.set(0);
    full_fence();
    std::uint64_t arm = 0;
    if (Status status =
            step.memory.read_word(queue.status_field(offsetof(accel_queue_status, arm)), arm);
        status != ACCEL_OK) {
        return status;
    }
    if (before < arm && arm <= now) {
        queue.stats.interrupts.add(1);
        parts_.bus.interrupt(queue.config.vector);
    }
    return ACCEL_OK;
}

Status Processor::write_record(Step& step, const accel_command& command, Status status,
                               std::uint32_t index, std::uint64_t start) {
    if ((command.flags & ACCEL_CMD_RECORD) == 0) {
        return ACCEL_OK;
    }
    const accel_completion_record record{.sequence = step.queue.completed + 1,
                                         .status = static_cast<std::uint32_t>(status),
                                         .list_index = index,
                                         .start = start,
                                         .end = parts_.bus.clock()};
    return step.memory.write(command.record, &record, sizeof record);
}

}  // namespace accel::card
