// SPDX-License-Identifier: Apache-2.0
//
// The public DeviceGroup.
#include "accel/device_group.hpp"

#include <utility>

#include "dispatcher.hpp"

namespace accel {

namespace {

std::shared_ptr<detail::Dispatcher> make_dispatcher(EventLoop& loop,
                                                    std::span<const Device> devices,
                                                    const DeviceGroupOptions& options) {
    if (devices.empty()) {
        detail::throw_invalid("a DeviceGroup needs a card: pass at least one open Device");
    }
    auto dispatcher = std::make_shared<detail::Dispatcher>(
        detail::EventLoopAccess::impl(loop),
        detail::DispatcherOptions{.queue = options.queue,
                                  .in_flight = options.in_flight,
                                  .max_waiting = options.max_waiting,
                                  .reruns = options.reruns},
        "DeviceGroupOptions");
    for (const Device& device : devices) {
        dispatcher->add(device);
    }
    return dispatcher;
}

detail::Dispatcher& opened(const std::shared_ptr<detail::Dispatcher>& dispatcher) {
    if (!dispatcher) {
        detail::throw_moved_from("DeviceGroup");
    }
    return *dispatcher;
}

}  // namespace

DeviceGroup::DeviceGroup(std::span<const Device> devices, const DeviceGroupOptions& options)
    : own_loop_(EventLoop::with_thread()),
      dispatcher_(make_dispatcher(*own_loop_, devices, options)) {}

DeviceGroup::DeviceGroup(EventLoop& loop, std::span<const Device> devices,
                         const DeviceGroupOptions& options)
    : dispatcher_(make_dispatcher(loop, devices, options)) {}

DeviceGroup::DeviceGroup(DeviceGroup&&) noexcept = default;

DeviceGroup& DeviceGroup::operator=(DeviceGroup&& other) noexcept {
    if (this != &other) {
        close();
        own_loop_ = std::move(other.own_loop_);
        dispatcher_ = std::move(other.dispatcher_);
    }
    return *this;
}

DeviceGroup::~DeviceGroup() {
    close();
}

void DeviceGroup::close() noexcept {
    if (dispatcher_) {
        detail::Dispatcher::close(std::exchange(dispatcher_, {}));
        own_loop_.reset();
    }
}

std::size_t DeviceGroup::add(const Device& device) {
    return opened(dispatcher_).add(device);
}

Request DeviceGroup::submit(Work work) {
    return *opened(dispatcher_).submit(std::move(work), true);
}

std::optional<Request> DeviceGroup::try_submit(Work work) {
    return opened(dispatcher_).submit(std::move(work), false);
}

void DeviceGroup::synchronize() {
    opened(dispatcher_).synchronize();
}

std::size_t DeviceGroup::pending() const {
    return opened(dispatcher_).pending();
}

std::vector<DeviceGroupCard> DeviceGroup::cards() const {
    return opened(dispatcher_).cards();
}

}  // namespace accel
