// SPDX-License-Identifier: Apache-2.0
//
// A user queue as an SDK drives it.
#include "bench/queue.hpp"

#include <cstddef>
#include <stdexcept>

#include "ordering.hpp"

namespace accel::bench {

Queue::Queue(AddressSpace& space, std::uint32_t id, const QueueOptions& options)
    : space_(space),
      id_(id),
      options_(options),
      ring_(space.allocate(std::uint64_t{options.entries} * ACCEL_COMMAND_SIZE, options.layout)),
      status_(space.allocate(page_size, options.layout)) {
    accel_admin_command command{};
    command.opcode = ACCEL_ADMIN_CREATE_QUEUE;
    command.id = id;
    command.create_queue.ring = ring_;
    command.create_queue.status = status_;
    command.create_queue.context = space.id();
    command.create_queue.entries = options.entries;
    command.create_queue.vector = options.vector;
    command.create_queue.priority = options.priority;
    if (space.bench().admin(command) != ACCEL_OK) {
        throw std::runtime_error("the card refused a queue");
    }
}

std::uint64_t Queue::word(std::uint64_t offset) {
    return card::load_word(space_.at(status_) + offset);
}
void Queue::set_word(std::uint64_t offset, std::uint64_t value) {
    card::store_word(space_.at(status_) + offset, value);
}

void Queue::set_tail(std::uint64_t tail) {
    set_word(offsetof(accel_queue_status, tail), tail);
}
void Queue::arm(std::uint64_t sequence) {
    set_word(offsetof(accel_queue_status, arm), sequence);
    card::full_fence();
}
std::uint64_t Queue::completed() {
    return word(offsetof(accel_queue_status, completed));
}
std::uint64_t Queue::event_index() {
    return word(offsetof(accel_queue_status, event_index));
}
std::uint32_t Queue::state() {
    return static_cast<std::uint32_t>(word(offsetof(accel_queue_status, state)));
}

accel_queue_status Queue::status() {
    accel_queue_status page{};
    space_.peek(status_, {reinterpret_cast<std::uint8_t*>(&page), sizeof page});
    return page;
}

std::uint64_t Queue::place(const accel_command& command) {
    const std::uint64_t slot = tail_ % options_.entries;
    space_.poke(ring_ + slot * sizeof command,
                {reinterpret_cast<const std::uint8_t*>(&command), sizeof command});
    set_tail(++tail_);
    return tail_;
}

void Queue::ring() {
    space_.bench().doorbell(id_, tail_ & UINT32_MAX);
}

void Queue::ring_if_needed(std::uint64_t before) {
    card::full_fence();
    if (tail_ - event_index() - 1 < tail_ - before) {
        ring();
    }
}

std::uint64_t Queue::submit(const accel_command& command) {
    const std::uint64_t before = tail_;
    const std::uint64_t sequence = place(command);
    ring_if_needed(before);
    return sequence;
}

accel_status Queue::wait(std::uint64_t sequence) {
    const bool over =
        eventually([&] { return completed() >= sequence || state() == ACCEL_QUEUE_ERROR; });
    if (!over) {
        return ACCEL_INTERNAL;
    }
    return completed() >= sequence ? ACCEL_OK : static_cast<accel_status>(status().error);
}

accel_status Queue::reset() {
    accel_admin_command command{};
    command.opcode = ACCEL_ADMIN_RESET_QUEUE;
    command.id = id_;
    const accel_status status = space_.bench().admin(command);
    tail_ = 0;
    return status;
}

accel_status Queue::destroy() {
    accel_admin_command command{};
    command.opcode = ACCEL_ADMIN_DESTROY_QUEUE;
    command.id = id_;
    return space_.bench().admin(command);
}

}  // namespace accel::bench
