// SPDX-License-Identifier: Apache-2.0
//
// Lifetimes: memory, queues, and the registered memory that unfinished jobs use.
#include "objects.hpp"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <string>

namespace accel::python {

namespace {

// So that each submission is cheap, it drops only some of the finished entries.
constexpr int releases_per_submission = 4;

}  // namespace

void refuse(const std::string& what) {
    throw Error(std::errc::invalid_argument, what);
}

void refuse_type(const std::string& what) {
    throw nb::type_error(what.c_str());
}

std::string type_of(nb::handle object) {
    return nb::cast<std::string>(object.type().attr("__name__"));
}

std::string text_of(nb::handle object) {
    return nb::cast<std::string>(nb::str(object));
}

WithoutGil::~WithoutGil() {
    try {
        PyEval_RestoreThread(state_);
    } catch (...) {
        for (;;) {
            ::pause();
        }
    }
}

Storage* DeviceState::find(const void* data, std::size_t bytes) const {
    const auto address = reinterpret_cast<std::uintptr_t>(data);
    auto after = mapped.upper_bound(address);
    // Memory can be registered twice, and then the entries may overlap.
    for (int tries = 0; tries < 4 && after != mapped.begin(); ++tries) {
        --after;
        const std::uintptr_t offset = address - after->first;
        const std::uint64_t size = after->second->memory.bytes();
        if (offset <= size && bytes <= size - offset) {
            return after->second;
        }
    }
    return nullptr;
}

std::shared_ptr<QueueState> DeviceState::call_queue() {
    if (!calls) {
        calls = std::make_shared<QueueState>(device.create_queue());
    }
    return calls;
}

void DeviceState::forget_if_stopped(const std::shared_ptr<QueueState>& queue) {
    if (calls == queue && queue->use([](accel::Queue& q) { return q.failure().has_value(); })) {
        calls.reset();
    }
}

Storage::Storage(std::shared_ptr<DeviceState> state, accel::Buffer<std::byte> buffer,
                 nb::object registered, bool registered_read_only)
    : device(std::move(state)),
      source(std::move(registered)),
      read_only(registered_read_only),
      memory(std::move(buffer)) {
    if (memory.mapped()) {
        device->mapped.emplace(reinterpret_cast<std::uintptr_t>(memory.data()), this);
    }
}

Storage::~Storage() {
    std::erase_if(device->mapped, [this](const auto& entry) { return entry.second == this; });
}

void QueueState::close() {
    if (queue != nullptr) {
        const WithoutGil released;
        const std::scoped_lock lock(mutex);
        queue = nullptr;
        owned.reset();
    }
    // The release of memory may run Python, so it uses no member.
    const auto released = std::exchange(pinned, {});
}

void QueueState::submitted(const accel::Job& job, Pins pins) {
    last = job;
    if (older.done()) {
        older = job;
    }
    keep(job, std::move(pins));
}

void QueueState::keep(const accel::Job& job, Pins pins) {
    release_finished();
    if (!pins.empty()) {
        pinned.emplace_back(job, std::move(pins));
    }
}

void QueueState::release_finished() {
    for (int i = 0; i < releases_per_submission; ++i) {
        if (pinned.empty() || !pinned.front().first.done()) {
            return;
        }
        const auto released = std::move(pinned.front());
        pinned.pop_front();
    }
}

accel::Queue& QueueState::checked() {
    if (queue == nullptr) {
        refuse("the queue is closed: create another one");
    }
    return *queue;
}

DeviceState& DeviceObject::checked() const {
    if (!state) {
        refuse("the device is closed: open it again");
    }
    return *state;
}

std::shared_ptr<DeviceState> DeviceObject::shared() const {
    static_cast<void>(checked());
    return state;
}

const accel::Buffer<std::byte>& BufferObject::checked() const {
    if (!storage) {
        refuse("the buffer is closed: allocate another one");
    }
    return memory;
}

std::shared_ptr<QueueState> QueueObject::checked() const {
    if (!state) {
        refuse("the queue is closed: create another one");
    }
    return state;
}

std::shared_ptr<accel::CommandList> ListObject::checked() const {
    if (!list) {
        refuse("the command list is released: record another one");
    }
    return list;
}

std::shared_ptr<accel::Batch> BatchObject::checked() const {
    if (!batch) {
        refuse("the batch has ended: open another one with Queue.batch()");
    }
    return batch;
}

accel::Duration to_duration(std::optional<double> seconds) {
    if (seconds && std::isnan(*seconds)) {
        refuse("a time is not a number (nan): pass seconds");
    }
    return seconds ? accel::Duration(std::chrono::duration<double>(*seconds))
                   : accel::Duration::forever();
}

}  // namespace accel::python
