// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The commands of the admin queue.
#include "admin.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <new>

#include "checks.hpp"
#include "ordering.hpp"

namespace accel::card {

namespace {

// The number of words of a command that an opcode uses. The other words must be zero.
unsigned words_used(std::uint8_t opcode) {
    switch (opcode) {
        case ACCEL_ADMIN_QUERY_QUEUE:
            return 1;
        case ACCEL_ADMIN_CREATE_CONTEXT:
        case ACCEL_ADMIN_INVALIDATE:
        case ACCEL_ADMIN_CLEAR_MEMORY:
        case ACCEL_ADMIN_QUERY_QUEUES:
            return 2;
        case ACCEL_ADMIN_CREATE_QUEUE:
            return 5;
        default:
            return 0;
    }
}

bool uses_id(std::uint8_t opcode) {
    return opcode != ACCEL_ADMIN_NOP && opcode != ACCEL_ADMIN_CLEAR_MEMORY;
}

}  // namespace

Admin::Admin(Bus& bus, DeviceMemory memory, Counters& counters, Scheduler& scheduler,
             Processor& processor, const AdminLimits& limits, const std::atomic<bool>& stop)
    : bus_(bus),
      memory_(memory),
      counters_(counters),
      scheduler_(scheduler),
      processor_(processor),
      limits_(limits),
      stop_(stop),
      contexts_(limits.contexts) {}

bool Admin::run(std::uint64_t sequence) {
    const std::uint64_t slot = (sequence - 1) % ring_.entries;
    accel_admin_command command{};
    acquire_fence();
    if (!bus_.read(ring_.ring + slot * sizeof command, &command, sizeof command)) {
        return false;
    }
    accel_admin_result result{};
    try {
        result.status = execute(command);
    } catch (const std::bad_alloc&) {
        result.status = ACCEL_INTERNAL;
    }
    if (stop_) {
        return true;  // a reset discards the admin queue, and the host expects no answer
    }
    const std::uint64_t address = ring_.results + slot * sizeof result;
    constexpr std::size_t body = offsetof(accel_admin_result, status);
    if (!bus_.write(address + body, reinterpret_cast<const std::uint8_t*>(&result) + body,
                    sizeof result - body)) {
        return false;
    }
    release_fence();
    if (!bus_.write_word(address, sequence)) {
        return false;
    }
    bus_.interrupt(ACCEL_VECTOR_EVENTS);
    return true;
}

void Admin::clear() {
    scheduler_.clear();
    for (auto& context : contexts_) {
        context.reset();
    }
    ring_ = {};
}

Status Admin::execute(const accel_admin_command& command) {
    const std::span<const __le64> words(command.words);
    if (!all_zero(command.reserved0) || !all_zero(words.subspan(words_used(command.opcode))) ||
        (!uses_id(command.opcode) && command.id != 0)) {
        return command.opcode > ACCEL_ADMIN_QUERY_QUEUES ? ACCEL_BAD_OPCODE : ACCEL_BAD_FIELD;
    }
    switch (command.opcode) {
        case ACCEL_ADMIN_NOP:
            return ACCEL_OK;
        case ACCEL_ADMIN_CREATE_CONTEXT:
            return create_context(command);
        case ACCEL_ADMIN_DESTROY_CONTEXT:
            return destroy_context(command.id);
        case ACCEL_ADMIN_INVALIDATE:
            return invalidate(command);
        case ACCEL_ADMIN_CREATE_QUEUE:
            return create_queue(command);
        case ACCEL_ADMIN_DESTROY_QUEUE:
            return destroy_queue(command.id);
        case ACCEL_ADMIN_RESET_QUEUE:
            return reset_queue(command.id);
        case ACCEL_ADMIN_QUERY_QUEUE:
            return query_queue(command);
        case ACCEL_ADMIN_QUERY_QUEUES:
            return query_queues(command);
        case ACCEL_ADMIN_CLEAR_MEMORY:
            return clear_memory(command);
        default:
            return ACCEL_BAD_OPCODE;
    }
}

Context* Admin::context(std::uint32_t id) const {
    return id < contexts_.size() ? contexts_[id].get() : nullptr;
}

Status Admin::create_context(const accel_admin_command& command) {
    if (command.id >= contexts_.size()) {
        return ACCEL_NOT_FOUND;
    }
    if (contexts_[command.id] != nullptr) {
        return ACCEL_EXISTS;
    }
    const auto& fields = command.create_context;
    if ((fields.flags & ~ACCEL_CONTEXT_BYPASS) != 0 || fields.reserved != 0) {
        return ACCEL_BAD_FIELD;
    }
    if ((fields.flags & ACCEL_CONTEXT_BYPASS) != 0) {
        if (fields.root != 0) {
            return ACCEL_BAD_FIELD;
        }
        contexts_[command.id] = std::make_unique<Context>(command.id, Context::Bypass{},
                                                          memory_.size(), bus_, counters_);
        return ACCEL_OK;
    }
    if (!aligned(fields.root, ACCEL_PAGE_SIZE)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    contexts_[command.id] =
        std::make_unique<Context>(command.id, fields.root, memory_.size(), bus_, counters_);
    return ACCEL_OK;
}

Status Admin::destroy_context(std::uint32_t id) {
    const Context* const found = context(id);
    if (found == nullptr) {
        return ACCEL_NOT_FOUND;
    }
    if (scheduler_.uses(*found)) {
        return ACCEL_BUSY;
    }
    contexts_[id].reset();
    return ACCEL_OK;
}

Status Admin::invalidate(const accel_admin_command& command) {
    Context* const found = context(command.id);
    if (found == nullptr) {
        return ACCEL_NOT_FOUND;
    }
    const auto& range = command.invalidate;
    if (!aligned(range.address, ACCEL_PAGE_SIZE) || !aligned(range.bytes, ACCEL_PAGE_SIZE)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    found->invalidate(range.address, range.bytes);
    return ACCEL_OK;
}

Status Admin::create_queue(const accel_admin_command& command) {
    const auto& fields = command.create_queue;
    if (command.id >= limits_.queues) {
        return ACCEL_NOT_FOUND;
    }
    if (scheduler_.find(command.id) != nullptr) {
        return ACCEL_EXISTS;
    }
    Context* const found = context(fields.context);
    if (found == nullptr) {
        return ACCEL_NOT_FOUND;
    }
    if (!std::has_single_bit(fields.entries) || fields.entries < ACCEL_RING_ENTRIES_MIN ||
        fields.entries > limits_.ring_entries || fields.vector >= limits_.vectors ||
        fields.priority > ACCEL_PRIORITY_DRIVER) {
        return ACCEL_BAD_FIELD;
    }
    if (!aligned(fields.ring, ACCEL_PAGE_SIZE) || !aligned(fields.status, ACCEL_PAGE_SIZE)) {
        return ACCEL_BAD_ALIGNMENT;
    }
    auto queue = std::make_unique<Queue>(QueueConfig{.id = command.id,
                                                     .ring = fields.ring,
                                                     .status = fields.status,
                                                     .entries = fields.entries,
                                                     .vector = fields.vector,
                                                     .priority = fields.priority,
                                                     .time_limit = fields.time_limit},
                                         *found);
    if (Status status = processor_.begin(*queue, stop_); status != ACCEL_OK) {
        return status;
    }
    scheduler_.add(std::move(queue));
    return ACCEL_OK;
}

Status Admin::destroy_queue(std::uint32_t id) {
    Queue* const queue = scheduler_.find(id);
    if (queue == nullptr) {
        return ACCEL_NOT_FOUND;
    }
    scheduler_.quiesce(*queue);
    scheduler_.remove(id);
    return ACCEL_OK;
}

Status Admin::reset_queue(std::uint32_t id) {
    Queue* const queue = scheduler_.find(id);
    if (queue == nullptr) {
        return ACCEL_NOT_FOUND;
    }
    scheduler_.quiesce(*queue);
    queue->rewind();
    if (Status status = processor_.begin(*queue, stop_); status != ACCEL_OK) {
        return status;
    }
    scheduler_.restart(*queue);
    return ACCEL_OK;
}

Status Admin::query_queue(const accel_admin_command& command) {
    Queue* const queue = scheduler_.find(command.id);
    if (queue == nullptr) {
        return ACCEL_NOT_FOUND;
    }
    const QueueStats& stats = queue->stats;
    const auto busy = [&](Engine engine) {
        return stats.busy[static_cast<unsigned>(engine)].read();
    };
    const accel_queue_stats answer{.commands = stats.commands.read(),
                                   .doorbells = stats.doorbells.read(),
                                   .interrupts = stats.interrupts.read(),
                                   .dma_busy = busy(Engine::dma),
                                   .compute_busy = busy(Engine::compute),
                                   .host_read = stats.traffic.host_read.read(),
                                   .host_written = stats.traffic.host_written.read(),
                                   .memory_read = stats.traffic.memory_read.read(),
                                   .memory_written = stats.traffic.memory_written.read(),
                                   .reserved = {}};
    return bus_.write(command.query_queue.address, &answer, sizeof answer) ? ACCEL_OK
                                                                           : ACCEL_BUS_ERROR;
}

Status Admin::query_queues(const accel_admin_command& command) {
    const auto& fields = command.query_queues;
    if (fields.count == 0 || fields.count > ACCEL_REPORTS_MAX) {
        return ACCEL_BAD_SIZE;
    }
    if (fields.reserved != 0) {
        return ACCEL_BAD_FIELD;
    }
    std::array<accel_queue_report, ACCEL_REPORTS_MAX> reports{};
    for (std::uint32_t i = 0; i < fields.count; ++i) {
        reports.at(i) =
            command.id < limits_.queues ? scheduler_.report(command.id + i) : accel_queue_report{};
    }
    return bus_.write(fields.address, reports.data(), fields.count * sizeof reports[0])
               ? ACCEL_OK
               : ACCEL_BUS_ERROR;
}

Status Admin::clear_memory(const accel_admin_command& command) {
    const auto& range = command.clear_memory;
    if (range.address > memory_.size() || range.bytes > memory_.size() - range.address) {
        return ACCEL_BAD_SIZE;
    }
    static constexpr std::array<std::uint8_t, piece_bytes> zeros{};
    for (std::uint64_t done = 0; done < range.bytes && !stop_;) {
        const std::uint64_t now = std::min<std::uint64_t>(range.bytes - done, piece_bytes);
        move_payload(memory_.data() + range.address + done, zeros.data(), now);
        counters_.traffic.memory_written.add(now);
        done += now;
    }
    return ACCEL_OK;
}

}  // namespace accel::card
