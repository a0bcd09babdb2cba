// SPDX-License-Identifier: Apache-2.0
//
// A queue from its owner's side, as docs/reference/hardware.md, section 4, describes it.
#include <sys/ioctl.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "emulated/bring_up.hpp"
#include "uapi.hpp"

namespace uapi {

Queue::Queue(const File& file, std::uint32_t entries, std::uint32_t priority,
             std::uint32_t time_limit_ms)
    : fd_(file.fd()) {
    created_.entries = entries;
    created_.priority = priority;
    created_.time_limit_ms = time_limit_ms;
    require(file.call(ACCEL_IOCTL_QUEUE_CREATE, created_), "QUEUE_CREATE");
    memory_ = Mapping(fd_, created_.address, created_.bytes);
    doorbell_ = Mapping(fd_, created_.doorbell, page);
}

Queue::Queue(Queue&& other) noexcept
    : fd_(other.fd_),
      created_(other.created_),
      tail_(other.tail_),
      published_(other.published_),
      memory_(std::move(other.memory_)),
      doorbell_(std::move(other.doorbell_)) {
    other.created_.handle = 0;
}

volatile accel_queue_status& Queue::status() const {
    return *reinterpret_cast<volatile accel_queue_status*>(memory_.data());
}

std::span<accel_command> Queue::ring() const {
    return {reinterpret_cast<accel_command*>(memory_.data() + ACCEL_QUEUE_RING_OFFSET),
            created_.entries};
}

void Queue::enqueue(const accel_command& command) {
    ring()[tail_ % created_.entries] = command;
    ++tail_;
}

void Queue::publish() {
    auto* status = reinterpret_cast<accel_queue_status*>(memory_.data());
    const std::atomic_ref tail(status->tail);
    const std::atomic_ref event_index(status->event_index);

    tail.store(tail_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (accel::emulated::needs_doorbell(tail_, published_,
                                        event_index.load(std::memory_order_relaxed))) {
        ring_doorbell(static_cast<std::uint32_t>(tail_));
    }
    published_ = tail_;
}

void Queue::ring_doorbell(std::uint32_t value) const {
    *reinterpret_cast<volatile std::uint32_t*>(doorbell_.data()) = value;
}

std::uint64_t Queue::submit(const accel_command& command) {
    if (tail_ >= created_.entries) {
        require(wait(tail_ - created_.entries + 1), "waiting for room in the ring");
    }
    enqueue(command);
    publish();
    return tail_;
}

int Queue::wait_until(std::uint64_t sequence, std::int64_t deadline) const {
    accel_queue_wait wait{};
    wait.size = sizeof(wait);
    wait.handle = created_.handle;
    wait.sequence = sequence;
    wait.deadline = deadline;
    if (::ioctl(fd_, ACCEL_IOCTL_QUEUE_WAIT, &wait) != 0) {
        return errno;
    }
    return wait.completed >= sequence ? 0 : EPROTO;
}

int Queue::wait(std::uint64_t sequence) const {
    const std::int64_t deadline = deadline_in(time_limit);
    const int error = wait_until(sequence, deadline);
    return deadline_in({}) < deadline ? error : ETIMEDOUT;
}

void Queue::run(const accel_command& command) {
    const std::uint64_t sequence = submit(command);
    const int error = wait(sequence);
    if (error == EIO) {
        const accel_queue_query failure = query();
        require(error, "opcode " + std::to_string(failure.error_opcode) + " ended with status " +
                           std::to_string(failure.error) + " at command " +
                           std::to_string(failure.error_sequence) + ", address " +
                           std::to_string(failure.error_address));
    }
    require(error, "QUEUE_WAIT");
}

accel_queue_query Queue::run_to_error(const accel_command& command) {
    const std::uint64_t sequence = submit(command);
    const int error = wait(sequence);
    if (error != EIO) {
        require(error == 0 ? EPROTO : error, "a command that must fail did not");
    }
    return query();
}

int Queue::notify(std::uint64_t sequence) const {
    accel_queue_notify notify{
        .size = sizeof(notify), .handle = created_.handle, .sequence = sequence};
    return ::ioctl(fd_, ACCEL_IOCTL_QUEUE_NOTIFY, &notify) == 0 ? 0 : errno;
}

accel_queue_query Queue::query() const {
    accel_queue_query query{};
    query.size = sizeof(query);
    query.handle = created_.handle;
    require(::ioctl(fd_, ACCEL_IOCTL_QUEUE_QUERY, &query) == 0 ? 0 : errno, "QUEUE_QUERY");
    return query;
}

int Queue::reset() {
    accel_queue_reset reset{.size = sizeof(reset), .handle = created_.handle};
    if (::ioctl(fd_, ACCEL_IOCTL_QUEUE_RESET, &reset) != 0) {
        return errno;
    }
    tail_ = 0;
    published_ = 0;
    return 0;
}

int Queue::destroy() {
    const std::uint32_t handle = std::exchange(created_.handle, 0);
    if (handle == 0) {
        return 0;
    }
    accel_queue_destroy destroy{.size = sizeof(destroy), .handle = handle};
    return ::ioctl(fd_, ACCEL_IOCTL_QUEUE_DESTROY, &destroy) == 0 ? 0 : errno;
}

}  // namespace uapi
