// SPDX-License-Identifier: Apache-2.0
//
// The cold side of the ring: mapping, progress, retired objects, restart.
#include "queue_ring.hpp"

#include <algorithm>
#include <utility>

namespace accel::detail {

QueueRing::QueueRing(std::shared_ptr<DeviceImpl> device, const QueueOptions& options)
    : driver_queue_(std::move(device), options),
      entries_(options.entries),
      queue_mapping_(driver_queue_.device(), driver_queue_.offsets().queue,
                     driver_queue_.offsets().queue_bytes, "cannot map a queue"),
      doorbell_mapping_(driver_queue_.device(), driver_queue_.offsets().doorbell,
                        ACCEL_DOORBELL_STRIDE, "cannot map a doorbell"),
      status_(static_cast<accel_queue_status*>(queue_mapping_.data())),
      ring_(reinterpret_cast<accel_command*>(static_cast<std::byte*>(queue_mapping_.data()) +
                                             ACCEL_QUEUE_RING_OFFSET)) {
    const QueueSlots::Assignment assignment = driver_queue_.device().queue_slots().acquire(*this);
    slot_ = assignment.slot;
    base_.store(assignment.base, std::memory_order_relaxed);
    has_slot_ = true;
}

// The page tells the child that the queue stopped: so each job is over, and its wait() throws.
void QueueRing::after_fork(void* ring) noexcept {
    auto& self = *static_cast<QueueRing*>(ring);
    self.device().kernel().replace_in_child(self.status_, ACCEL_QUEUE_RING_OFFSET);
    *self.status_ = {};
    self.status_->state = ACCEL_QUEUE_ERROR;
}

void QueueRing::ring_doorbell() noexcept {
    ++doorbells_;
    device().kernel().ring_doorbell(doorbell_mapping_.data(),
                                    static_cast<std::uint32_t>(published()));
}

void QueueRing::withdraw() noexcept {
    written_.store(published(), std::memory_order_relaxed);
    reap();
}

void QueueRing::restart() noexcept {
    base_.store(base_ + written_, std::memory_order_release);
    written_.store(0, std::memory_order_release);
    published_.store(0, std::memory_order_release);
    free_before_ = 0;
    retired_.release(0, 0);
}

void QueueRing::close() noexcept {
    driver_queue_.close();
    restart();
    release_slot();
}

void QueueRing::release_slot() noexcept {
    if (std::exchange(has_slot_, false) && !device().in_child()) {
        device().queue_slots().release(slot_, base_ + written_);
        retired_.release(0, 0);
    }
}

// Bounded by what was published: the status page is not trusted.
std::uint64_t QueueRing::finished() const noexcept {
    return std::min(completed(), published());
}

bool QueueRing::keep(TrackedObject* object, Position position) noexcept {
    // restart() moves base_ first. A thread that sees a restart half-way then keeps nothing.
    const Position base = base_.load(std::memory_order_acquire);
    if (position <= base + finished() ||
        position > base + written_.load(std::memory_order_acquire)) {
        return false;
    }
    retired_.add(object, position);
    return true;
}

void QueueRing::reap_retired() noexcept {
    const Position base = base_.load(std::memory_order_acquire);
    retired_.release(base + finished(), base + written_.load(std::memory_order_acquire));
}

CardFailure QueueRing::failure_in_status_page() const noexcept {
    return to_failure(*status_);
}

}  // namespace accel::detail
