// SPDX-License-Identifier: Apache-2.0
//
// The end of resources.
#include "tracked_object.hpp"

#include <algorithm>
#include <utility>

#include "device_impl.hpp"
#include "errors.hpp"

namespace accel::detail {

Resource::Resource(std::shared_ptr<DeviceImpl> device)
    : device_(std::move(device)),
      fences_(std::make_unique<std::atomic<Position>[]>(device_->lanes().count())) {}

Resource::~Resource() = default;

void Resource::retire(Resource* resource) noexcept {
    const std::shared_ptr<DeviceImpl> device = resource->device_;
    if (!device->lanes().keep(resource)) {
        delete resource;  // NOLINT(cppcoreguidelines-owning-memory): the deleter of its handles
    }
}

void Limbo::hold(Resource* resource, Position until) noexcept {
    const std::lock_guard lock(mutex_);
    resource->until_ = until;
    resource->next_ = first_.load(std::memory_order_relaxed);
    first_.store(resource, std::memory_order_relaxed);
}

void Limbo::release(Position past, Position end) noexcept {
    Resource* released = nullptr;
    {
        const std::lock_guard lock(mutex_);
        Resource* kept = nullptr;
        for (Resource* next = first_.load(std::memory_order_relaxed); next != nullptr;) {
            Resource* const resource = std::exchange(next, next->next_);
            Resource*& list = resource->until_ > past && resource->until_ <= end ? kept : released;
            resource->next_ = std::exchange(list, resource);
        }
        first_.store(kept, std::memory_order_relaxed);
    }
    // Another queue may keep it yet.
    while (released != nullptr) {
        Resource::retire(std::exchange(released, released->next_));
    }
}

Lanes::Place Lanes::join(Lane& lane) {
    const std::lock_guard lock(mutex_);
    const auto free = std::ranges::find(lanes_, nullptr, &Slot::lane);
    if (free == lanes_.end()) {
        throw_errno(ENOSPC, "all queues of the card are in use");
    }
    free->lane = &lane;
    return {.lane = static_cast<std::uint32_t>(free - lanes_.begin()), .base = free->base};
}

void Lanes::leave(std::uint32_t lane, Position end) noexcept {
    const std::lock_guard lock(mutex_);
    lanes_[lane] = {.lane = nullptr, .base = end};
}

bool Lanes::keep(Resource* resource) noexcept {
    const std::lock_guard lock(mutex_);
    for (std::uint32_t i = 0; i < count(); ++i) {
        const Position position = resource->fences_[i].load(std::memory_order_relaxed);
        Lane* const lane = lanes_[i].lane;
        if (position > lanes_[i].base && lane != nullptr && lane->keep(resource, position)) {
            return true;
        }
    }
    return false;
}

}  // namespace accel::detail
