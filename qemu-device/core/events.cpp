// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Writing events to the ring of the event queue.
#include "events.hpp"

#include <cstddef>

#include "ordering.hpp"

namespace accel::card {

accel_event plain_event(accel_event_type type, accel_status status) {
    accel_event event{};
    event.type = static_cast<std::uint32_t>(type);
    event.context = ACCEL_NO_ID;
    event.queue = ACCEL_NO_ID;
    event.status = static_cast<std::uint32_t>(status);
    event.list_index = ACCEL_NO_LIST_INDEX;
    return event;
}

void Events::start(const EventRing& ring) {
    const std::lock_guard lock(mutex_);
    ring_ = ring;
    written_ = 0;
}

void Events::stop() {
    start({});
}

bool Events::write(accel_event event) {
    if (static_cast<std::uint32_t>(written_) - consumed() >= ring_.entries ||
        dropped_.load(std::memory_order_relaxed)) {
        lost_.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    event.sequence = written_ + 1;
    event.time = bus_.clock();
    const std::uint64_t slot = ring_.address + written_ % ring_.entries * sizeof event;
    constexpr std::size_t body = sizeof event.sequence;
    static_assert(offsetof(accel_event, sequence) == 0);
    if (!bus_.write(slot + body, reinterpret_cast<const std::uint8_t*>(&event) + body,
                    sizeof event - body)) {
        return false;
    }
    release_fence();
    if (!bus_.write_word(slot, event.sequence)) {
        return false;
    }
    ++written_;
    return true;
}

bool Events::post(accel_event event) {
    {
        const std::lock_guard lock(mutex_);
        if (ring_.entries == 0) {
            return true;
        }
        const int copies = doubled_.load(std::memory_order_relaxed) ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
            if (!write(event)) {
                return false;
            }
        }
    }
    bus_.interrupt(ACCEL_VECTOR_EVENTS);
    return true;
}

}  // namespace accel::card
