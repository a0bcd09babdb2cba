// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The commands of a list: a CALL begins it, each step takes the next command out of it, and LOOP,
// SKIP and SET_ARGUMENT decide which command that is.
#include <algorithm>

#include "commands/call.hpp"
#include "commands/list_control.hpp"
#include "processor.hpp"

namespace accel::card {

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

}  // namespace accel::card
