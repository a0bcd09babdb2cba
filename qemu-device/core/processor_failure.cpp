// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The end of a step that failed: the card reports the error in the status page, by an event, and
// for the report of ADMIN_QUERY_QUEUES.
#include <cstddef>
#include <cstring>

#include "events.hpp"
#include "ordering.hpp"
#include "processor.hpp"

namespace accel::card {

namespace {

bool is_fault(Status status) {
    return status >= ACCEL_FAULT_UNMAPPED && status <= ACCEL_FAULT_TABLE;
}

}  // namespace

// Writes the records of the failed command and of its CALL where that is possible. The error block
// holds all the information in any case.
void Processor::write_failure_records(Step& step, Status status) {
    Queue& queue = step.queue;
    const auto usable = [](const accel_command& command) {
        return (command.flags & ~ACCEL_CMD_FLAGS) == 0 &&
               aligned(command.record, sizeof(accel_completion_record));
    };
    const std::uint32_t index = queue.list_index();
    if (queue.has_command && usable(queue.command)) {
        (void)write_record(step, queue.command, status, index, queue.started);
    }
    if (queue.call.active) {
        (void)write_record(step, queue.call.command, status, index, queue.call.start);
    }
}

// Writes the error block of the status page, as far as the bus permits it.
void Processor::write_error_block(Step& step, const accel_event& event) {
    Queue& queue = step.queue;
    accel_queue_status page{};
    page.state = ACCEL_QUEUE_ERROR;
    page.error = event.status;
    page.error_sequence = event.command_sequence;
    page.error_address = event.address;
    page.error_list_index = event.list_index;
    page.error_opcode = event.opcode;
    constexpr std::uint64_t begin = offsetof(accel_queue_status, error_sequence);
    constexpr std::uint64_t end = offsetof(accel_queue_status, reserved0);
    constexpr std::uint64_t state_offset = offsetof(accel_queue_status, state);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&page);
    if (step.memory.write(queue.status_field(begin), bytes + begin, end - begin) != ACCEL_OK) {
        return;
    }
    // `state` and `error` share a word: one store publishes both, after the rest of the block.
    std::uint64_t state = 0;
    std::memcpy(&state, bytes + state_offset, sizeof state);
    release_fence();
    (void)step.memory.write_word(queue.status_field(state_offset), state);
}

Next Processor::fail(Step& step, Status status) {
    Queue& queue = step.queue;
    const Next stop{.kind = Next::Kind::stop};
    if (status == ACCEL_ABORTED) {
        return stop;  // the admin queue or the reset that stopped it answers to the host
    }
    const bool fault = is_fault(status);
    if (fault) {
        parts_.counters.faults.add(1);
    }
    accel_event event = plain_event(ACCEL_EVENT_QUEUE_ERROR, status);
    event.context = queue.context.id();
    event.queue = queue.config.id;
    event.command_sequence = queue.completed + 1;
    event.address = fault || status == ACCEL_BUS_ERROR ? step.memory.fault_address() : 0;
    event.list_index = queue.list_index();
    event.opcode = queue.has_command ? queue.command.opcode : std::uint32_t{0};
    // Before the event: a driver that misses it must find the error in the report.
    queue.failure.sequence = event.command_sequence;
    queue.failure.address = event.address;
    queue.failure.list_index = event.list_index;
    queue.failure.opcode = event.opcode;
    queue.failure.status.store(event.status, std::memory_order_release);
    write_error_block(step, event);
    write_failure_records(step, status);
    queue.stats.interrupts.add(1);  // before the host can learn of the interrupt
    parts_.post_event(event);
    if (queue.config.vector != ACCEL_VECTOR_EVENTS) {
        parts_.bus.interrupt(queue.config.vector);
    }
    return stop;
}

}  // namespace accel::card
