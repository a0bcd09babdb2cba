// SPDX-License-Identifier: Apache-2.0
//
// Retirement of tracked objects, and the assignment of queue slots.
#include "tracked_object.hpp"

#include <algorithm>
#include <utility>

#include "throw_error.hpp"

namespace accel::detail {

TrackedObject::TrackedObject(std::shared_ptr<QueueSlots> slots)
    : slots_(std::move(slots)),
      last_use_by_slot_(std::make_unique<std::atomic<Position>[]>(slots_->count())) {}

TrackedObject::~TrackedObject() = default;

void TrackedObject::retire(TrackedObject* object) noexcept {
    // Copy the pointer: deleting the object may release the last owner of the device.
    const std::shared_ptr<QueueSlots> slots = object->slots_;
    if (!slots->keep(object)) {
        delete object;  // NOLINT(cppcoreguidelines-owning-memory): the deleter of its handles
    }
}

void RetireList::add(TrackedObject* object, Position last_use) noexcept {
    const std::lock_guard lock(mutex_);
    object->awaited_use_ = last_use;
    object->next_ = first_.load(std::memory_order_relaxed);
    first_.store(object, std::memory_order_relaxed);
}

void RetireList::release(Position finished, Position newest) noexcept {
    TrackedObject* released = nullptr;
    {
        const std::lock_guard lock(mutex_);
        TrackedObject* kept = nullptr;
        for (TrackedObject* next = first_.load(std::memory_order_relaxed); next != nullptr;) {
            TrackedObject* const object = std::exchange(next, next->next_);
            const bool in_use = object->awaited_use_ > finished && object->awaited_use_ <= newest;
            TrackedObject*& list = in_use ? kept : released;
            object->next_ = std::exchange(list, object);
        }
        first_.store(kept, std::memory_order_relaxed);
    }
    // Another queue may still use the object and keep it.
    while (released != nullptr) {
        TrackedObject::retire(std::exchange(released, released->next_));
    }
}

QueueSlots::Assignment QueueSlots::acquire(SlotOwner& owner) {
    const std::lock_guard lock(mutex_);
    const auto slot = std::ranges::find(slots_, nullptr, &Slot::owner);
    if (slot == slots_.end()) {
        throw Error(std::errc::no_space_on_device,
                    "cannot create a queue: this process has as many queues on the card as the "
                    "card has; destroy one");
    }
    slot->owner = &owner;
    return {.slot = static_cast<std::uint32_t>(slot - slots_.begin()), .base = slot->base};
}

void QueueSlots::release(std::uint32_t slot, Position end) noexcept {
    const std::lock_guard lock(mutex_);
    slots_[slot] = {.owner = nullptr, .base = end};
}

bool QueueSlots::keep(TrackedObject* object) noexcept {
    if (origin_.in_child()) {
        return false;
    }
    const std::lock_guard lock(mutex_);
    for (std::uint32_t i = 0; i < count(); ++i) {
        const Position position = object->last_use_by_slot_[i].load(std::memory_order_relaxed);
        SlotOwner* const owner = slots_[i].owner;
        if (position > slots_[i].base && owner != nullptr && owner->keep(object, position)) {
            return true;
        }
    }
    return false;
}

}  // namespace accel::detail
