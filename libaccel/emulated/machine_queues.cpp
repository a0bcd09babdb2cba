// SPDX-License-Identifier: Apache-2.0
//
// Queues of a machine: making and ending them, waiting, notifications.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "admin_commands.hpp"
#include "machine.hpp"
#include "machine_state.hpp"

namespace accel::emulated {

namespace {

template <typename T>
void store(T& word, std::type_identity_t<T> value) {
    __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

accel_reason reason_of(std::uint32_t status) {
    switch (status) {
        case ACCEL_OK:
            return ACCEL_REASON_NONE;
        case ACCEL_TIME_LIMIT:
            return ACCEL_REASON_TIME_LIMIT;
        default:
            return ACCEL_REASON_ERROR;
    }
}

// The vector of all queues; vector 0 is that of the admin and event queues.
constexpr std::uint32_t queue_vector = 1;

constexpr std::uint64_t ticks_per_ms = 1'000'000;

}  // namespace

int Machine::serve_queue(File& file, unsigned long request, void* argument) {
    switch (request) {
        case ACCEL_IOCTL_QUEUE_CREATE:
            return queue_create(file, *static_cast<accel_queue_create*>(argument));
        case ACCEL_IOCTL_QUEUE_DESTROY:
            return queue_destroy(file, static_cast<accel_queue_destroy*>(argument)->handle);
        case ACCEL_IOCTL_QUEUE_RESET:
            return queue_reset(file, static_cast<accel_queue_reset*>(argument)->handle);
        case ACCEL_IOCTL_QUEUE_NOTIFY:
            return queue_notify(file, *static_cast<accel_queue_notify*>(argument));
        case ACCEL_IOCTL_QUEUE_EVENTFD:
            return queue_eventfd(file, *static_cast<accel_queue_eventfd*>(argument));
        case ACCEL_IOCTL_QUEUE_QUERY:
            return queue_query(file, *static_cast<accel_queue_query*>(argument));
        default:
            return ENOTTY;
    }
}

int Machine::queue_create(File& file, accel_queue_create& argument) {
    const auto most = static_cast<std::uint32_t>(file.card.read(ACCEL_REG_RING_ENTRIES, 4));
    if (argument.size != sizeof(argument) || argument.flags != 0 || argument.reserved != 0 ||
        !std::has_single_bit(argument.entries) || argument.entries < ACCEL_RING_ENTRIES_MIN ||
        argument.entries > most || argument.priority >= ACCEL_PRIORITIES) {
        return EINVAL;
    }
    if (argument.priority > limits_.priority_max) {
        return EPERM;
    }
    if (limits_.time_limit_ms != 0 && argument.time_limit_ms > limits_.time_limit_ms) {
        return EINVAL;
    }
    if (used().queues >= limits_.queues) {
        return EDQUOT;
    }
    Queue queue;
    queue.state = std::make_shared<QueueState>();
    QueueState& state = *queue.state;
    const auto queues = static_cast<std::uint32_t>(file.card.read(ACCEL_REG_QUEUES, 4));
    while (state.id < queues && file.card.attached(state.id)) {
        ++state.id;
    }
    if (state.id == queues) {
        return ENOSPC;
    }
    state.file = file.state;
    queue.bytes = ACCEL_QUEUE_RING_OFFSET + std::uint64_t{argument.entries} * ACCEL_COMMAND_SIZE;
    state.memory = Memory::internal(queue.bytes);
    queue.exposure = Exposure(bus_, state.memory->data(), state.memory->bytes());
    queue.doorbell = Memory::internal(page_bytes);
    new (queue.doorbell->data()) DoorbellTarget;
    queue.target().queue = state.id;
    queue.target().card = &file.card;
    queue.address = file.reserve(queue.bytes);
    queue.doorbell_address = file.reserve(page_bytes);
    file.pages.map(queue.address, state.memory->address(), queue.bytes,
                   ACCEL_PTE_READ | ACCEL_PTE_WRITE);

    const std::uint32_t limit_ms =
        argument.time_limit_ms != 0 ? argument.time_limit_ms : limits_.time_limit_ms;
    file.card.attach(queue.state);
    if (file.card.admin(create_queue(state.id, {.ring = queue.address + ACCEL_QUEUE_RING_OFFSET,
                                                .status = queue.address,
                                                .context = file.context,
                                                .entries = argument.entries,
                                                .vector = queue_vector,
                                                .priority = argument.priority,
                                                .time_limit = limit_ms * ticks_per_ms})) !=
        ACCEL_OK) {
        file.card.detach(state);
        return EIO;
    }
    argument.handle = file.next_handle++;
    argument.address = queue.address;
    argument.bytes = queue.bytes;
    argument.doorbell = queue.doorbell_address;
    file.queues.emplace(argument.handle, std::move(queue));
    return 0;
}

void Machine::stop_queue(File& file, Queue& queue) {
    queue.target().card = nullptr;
    if (file.dead == 0) {
        static_cast<void>(
            file.card.admin(admin_command(ACCEL_ADMIN_DESTROY_QUEUE, queue.state->id)));
    }
    unmap(file, queue.address, queue.bytes);
    QueueState& state = *queue.state;
    file.card.change([&] {
        ++state.epoch;
        state.signal_eventfd();
        state.notify = 0;
        state.changed.notify_all();
    });
    file.card.detach(state);
}

int Machine::queue_destroy(File& file, std::uint32_t handle) {
    const auto found = file.queues.find(handle);
    if (found == file.queues.end()) {
        return ENOENT;
    }
    stop_queue(file, found->second);
    file.queues.erase(found);
    return 0;
}

int Machine::queue_reset(File& file, std::uint32_t handle) {
    const auto found = file.queues.find(handle);
    if (found == file.queues.end()) {
        return ENOENT;
    }
    QueueState& state = *found->second.state;
    store(state.status().tail, 0);
    store(state.status().arm, 0);
    if (file.card.admin(admin_command(ACCEL_ADMIN_RESET_QUEUE, state.id)) != ACCEL_OK) {
        return EIO;
    }
    static_cast<void>(file.card.look([&] {  // after it has taken the events from before the reset
        state.error = {};
        state.stopped = ACCEL_REASON_NONE;
        ++state.epoch;
        state.signal_eventfd();
        state.notify = 0;
        state.changed.notify_all();
        return 0;
    }));
    file.card.change([] {});
    return 0;
}

int Machine::queue_wait(File& file, accel_queue_wait& argument) {
    std::shared_ptr<QueueState> state;
    std::uint32_t epoch = 0;
    {
        const std::lock_guard lock(mutex_);
        const auto found = file.queues.find(argument.handle);
        if (argument.size != sizeof(argument)) {
            return EINVAL;
        }
        if (found == file.queues.end()) {
            return file.dead != 0 ? file.dead : ENOENT;
        }
        state = found->second.state;
        epoch = file.card.look([&] { return state->epoch; });
    }
    const Card::Clock::time_point deadline{std::chrono::nanoseconds(argument.deadline)};
    const int error = file.card.wait(*state, argument.sequence, epoch, deadline);
    argument.completed = state->completed();
    return error;
}

int Machine::queue_notify(File& file, const accel_queue_notify& argument) {
    const auto found = file.queues.find(argument.handle);
    if (argument.size != sizeof(argument)) {
        return EINVAL;
    }
    if (found == file.queues.end()) {
        return ENOENT;
    }
    QueueState& state = *found->second.state;
    file.card.change([&] {
        state.notify = argument.sequence;
        state.eventfd_due = argument.sequence != 0;
    });
    return 0;
}

int Machine::queue_eventfd(File& file, const accel_queue_eventfd& argument) {
    const auto found = file.queues.find(argument.handle);
    if (argument.size != sizeof(argument) || argument.reserved != 0 || argument.fd < -1) {
        return EINVAL;
    }
    if (found == file.queues.end()) {
        return ENOENT;
    }
    OwnedFd copy;
    if (argument.fd >= 0) {
        const int fd = ::fcntl(argument.fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            return errno;
        }
        copy = OwnedFd(fd);
    }
    QueueState& state = *found->second.state;
    file.card.change([&] { state.eventfd = std::move(copy); });
    return 0;
}

int Machine::queue_query(File& file, accel_queue_query& argument) {
    const auto found = file.queues.find(argument.handle);
    if (argument.size != sizeof(argument)) {
        return EINVAL;
    }
    if (found == file.queues.end()) {
        return ENOENT;
    }
    const QueueState& state = *found->second.state;
    const SharedPages pages(bus_, 2 * page_bytes);
    if (file.card.admin(query_queue(state.id, pages.address())) != ACCEL_OK ||
        file.card.admin(query_queues(state.id, 1, pages.address() + page_bytes)) != ACCEL_OK) {
        return EIO;
    }
    accel_queue_stats stats;
    accel_queue_report report;
    std::memcpy(&stats, pages.memory->data(), sizeof(stats));
    std::memcpy(&report, pages.memory->data() + page_bytes, sizeof(report));
    return file.card.look([&] {
        argument.state = state.error.status != 0 ? ACCEL_QUEUE_ERROR : ACCEL_QUEUE_RUNNING;
        argument.error = state.error.status;
        argument.error_sequence = state.error.command_sequence;
        argument.error_address = state.error.address;
        argument.error_list_index = state.error.list_index;
        argument.error_opcode = state.error.opcode;
        argument.reason =
            state.stopped != ACCEL_REASON_NONE ? state.stopped : reason_of(state.error.status);
        argument.completed = state.completed();
        argument.commands = stats.commands;
        argument.doorbells = stats.doorbells;
        argument.interrupts = stats.interrupts;
        argument.dma_busy = stats.dma_busy;
        argument.compute_busy = stats.compute_busy;
        argument.host_read = stats.host_read;
        argument.host_written = stats.host_written;
        argument.memory_read = stats.memory_read;
        argument.memory_written = stats.memory_written;
        argument.activity = report.activity;
        argument.pieces = report.pieces;
        return 0;
    });
}

}  // namespace accel::emulated
