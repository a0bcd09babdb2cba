// SPDX-License-Identifier: Apache-2.0
//
// The public RequestQueue.
#include "accel/request_queue.hpp"

#include <utility>

#include "dispatcher.hpp"

namespace accel {

namespace {

std::shared_ptr<detail::Dispatcher> make_dispatcher(EventLoop& loop, const Device& device,
                                                    const RequestQueueOptions& options) {
    auto dispatcher = std::make_shared<detail::Dispatcher>(
        detail::EventLoopAccess::impl(loop),
        detail::DispatcherOptions{.queue = options.queue,
                                  .in_flight = options.in_flight,
                                  .max_waiting = options.max_waiting},
        "RequestQueueOptions");
    dispatcher->add(device);
    return dispatcher;
}

detail::Dispatcher& opened(const std::shared_ptr<detail::Dispatcher>& dispatcher) {
    if (!dispatcher) {
        detail::throw_moved_from("RequestQueue");
    }
    return *dispatcher;
}

DeviceGroup::Work without_index(UniqueFunction<Job(Queue&)> work) {
    return [work = std::move(work)](Queue& queue, std::size_t /*card*/) mutable {
        return work(queue);
    };
}

}  // namespace

RequestQueue::RequestQueue(const Device& device, const RequestQueueOptions& options)
    : own_loop_(EventLoop::with_thread()),
      dispatcher_(make_dispatcher(*own_loop_, device, options)) {}

RequestQueue::RequestQueue(EventLoop& loop, const Device& device,
                           const RequestQueueOptions& options)
    : dispatcher_(make_dispatcher(loop, device, options)) {}

RequestQueue::RequestQueue(RequestQueue&&) noexcept = default;

RequestQueue& RequestQueue::operator=(RequestQueue&& other) noexcept {
    if (this != &other) {
        close();
        own_loop_ = std::move(other.own_loop_);
        dispatcher_ = std::move(other.dispatcher_);
    }
    return *this;
}

RequestQueue::~RequestQueue() {
    close();
}

void RequestQueue::close() noexcept {
    if (dispatcher_) {
        detail::Dispatcher::close(std::exchange(dispatcher_, {}));
        own_loop_.reset();
    }
}

Request RequestQueue::submit(UniqueFunction<Job(Queue&)> work) {
    return *opened(dispatcher_).submit(without_index(std::move(work)), true);
}

Request RequestQueue::submit(const Command& command) {
    return submit([command](Queue& queue) { return queue.submit(command); });
}

std::optional<Request> RequestQueue::try_submit(UniqueFunction<Job(Queue&)> work) {
    return opened(dispatcher_).submit(without_index(std::move(work)), false);
}

void RequestQueue::synchronize() {
    opened(dispatcher_).synchronize();
}

std::size_t RequestQueue::pending() const {
    return opened(dispatcher_).pending();
}

}  // namespace accel
