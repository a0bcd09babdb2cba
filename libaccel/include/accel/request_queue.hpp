// SPDX-License-Identifier: Apache-2.0
//
// A queue of requests in front of a queue of the card: any thread submits, and a request can be
// canceled without losing the others.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "accel/command.hpp"
#include "accel/device.hpp"
#include "accel/event_loop.hpp"
#include "accel/queue.hpp"
#include "accel/request.hpp"
#include "accel/unique_function.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class Dispatcher;
}

struct RequestQueueOptions {
    QueueOptions queue = {};
    /// Requests that the card has at a time: one runs, and the others begin without a delay when it
    /// ends. The others wait in the host, where they can be canceled. At least 1.
    std::size_t in_flight = 2;
    /// Requests that wait in the host; submit() waits when there are more. At least 1.
    std::size_t max_waiting = 1024;
};

/// Runs requests in order on a queue of the card. A request is a function that submits one job or
/// several to the Queue that it gets, and returns the last. The function runs once, on the thread
/// of submit() or on that of the event loop, under a lock: it must not call this object.
///
///     accel::RequestQueue requests(card);
///     auto work = [&](accel::Queue& q) { return model.submit(q, {x, y}); };
///     accel::Request a = requests.submit(work);
///     if (!a.cancel()) { a.wait(); }
///
/// The requests are independent: when a job fails, its request gets the Error; the queue restarts,
/// and the requests behind it run. When the card ends, all requests get the Error. The destructor
/// cancels requests that are not over; call synchronize() first to let them finish. Move-only;
/// keeps its device open.
///
/// Thread-safety: every member from any thread.
class ACCEL_API RequestQueue {
  public:
    /// With a thread of the library. Throws Error like Device::create_queue(), and
    /// Error(invalid_argument) for an option out of range.
    explicit RequestQueue(const Device& device, const RequestQueueOptions& options = {});
    /// On a loop of the caller, who must run it: it starts the requests that wait. The requests get
    /// Error(operation_canceled) when the loop ends.
    RequestQueue(EventLoop& loop, const Device& device, const RequestQueueOptions& options = {});

    RequestQueue(RequestQueue&&) noexcept;
    RequestQueue& operator=(RequestQueue&&) noexcept;
    RequestQueue(const RequestQueue&) = delete;
    RequestQueue& operator=(const RequestQueue&) = delete;
    ~RequestQueue();

    /// Accepts a request; waits while max_waiting requests wait. The Request has the Error that
    /// `work` throws. Throws Error(resource_deadlock_would_occur) when it would have to wait on the
    /// thread of the event loop.
    Request submit(UniqueFunction<Job(Queue&)> work);
    Request submit(const Command& command);

    /// Like submit(), but returns nothing when max_waiting requests wait.
    [[nodiscard]] std::optional<Request> try_submit(UniqueFunction<Job(Queue&)> work);

    /// Waits until all accepted requests are over. Does not throw their errors.
    void synchronize();

    /// The number of requests that are not over.
    [[nodiscard]] std::size_t pending() const;

  private:
    void close() noexcept;

    std::optional<EventLoop> own_loop_;
    std::shared_ptr<detail::Dispatcher> dispatcher_;
};

}  // namespace accel
