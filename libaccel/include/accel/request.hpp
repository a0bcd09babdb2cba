// SPDX-License-Identifier: Apache-2.0
//
// A request: work that a RequestQueue, a DeviceGroup or a Batcher accepted. It may still be in the
// host, so it can be canceled.
#pragma once

#include <chrono>
#include <memory>

#include "accel/duration.hpp"
#include "accel/event_loop.hpp"
#include "accel/job.hpp"
#include "accel/visibility.hpp"

namespace accel {

class Request;

namespace detail {

class RequestState;

/// The object that accepted a request.
///
/// Thread-safety: any thread.
class ACCEL_API RequestOwner {
  public:
    RequestOwner() = default;
    RequestOwner(const RequestOwner&) = delete;
    RequestOwner& operator=(const RequestOwner&) = delete;
    RequestOwner(RequestOwner&&) = delete;
    RequestOwner& operator=(RequestOwner&&) = delete;
    virtual ~RequestOwner();

    /// Takes the request back and completes it, unless the card has it.
    [[nodiscard]] virtual bool cancel(const Request& request) = 0;
    /// Whether this thread is the one that completes requests, and so must not wait for one.
    [[nodiscard]] virtual bool completes_on_this_thread() const noexcept = 0;
};

[[nodiscard]] ACCEL_API Request make_request(std::weak_ptr<RequestOwner> owner);

/// Ends the request, once; later calls do nothing.
ACCEL_API void complete(const Request& request, const JobResult& result) noexcept;

ACCEL_API void when_done(const std::shared_ptr<EventLoopImpl>& loop, const Request& request,
                         JobCallback callback, Duration timeout);

}  // namespace detail

/// A handle on accepted work. Cheap to copy; destroying it neither waits nor cancels.
///
/// Thread-safety: const members from any thread.
class ACCEL_API Request {
  public:
    Request() = default;  ///< no request: done() is true, wait() returns at once

    /// Whether the request is over: finished, failed or canceled; wait() throws if it failed.
    [[nodiscard]] bool done() const noexcept;

    /// Waits until the request is over. Throws the Error of its job, or
    /// Error(operation_canceled) after cancel() or the end of the object that accepted it. Throws
    /// Error(resource_deadlock_would_occur) on the thread that completes it.
    void wait() const;

    /// The same for no longer than `timeout`; the request continues after a timeout.
    [[nodiscard]] WaitResult wait(Duration timeout) const;

    /// The same until a point in time of any clock.
    template <typename Clock, typename Span>
    [[nodiscard]] WaitResult wait_until(
        const std::chrono::time_point<Clock, Span>& deadline) const {
        return wait(time_until(deadline));
    }

    /// Takes the request back. True: none of it runs or ran on a card, wait() throws
    /// Error(operation_canceled), and no other request is affected. False: it was given to a card
    /// or is over, and this call changes nothing.
    [[nodiscard]] bool cancel() const;

    /// Makes `loop` call `callback` when the request is over, or when `timeout` passes first; as
    /// EventLoop::when_done().
    void then(EventLoop& loop, JobCallback callback, Duration timeout = Duration::forever()) const;

    friend bool operator==(const Request& a, const Request& b) noexcept {
        return a.state_ == b.state_;
    }

  private:
    friend Request detail::make_request(std::weak_ptr<detail::RequestOwner> owner);
    friend void detail::complete(const Request& request, const JobResult& result) noexcept;
    friend void detail::when_done(const std::shared_ptr<detail::EventLoopImpl>& loop,
                                  const Request& request, JobCallback callback, Duration timeout);

    explicit Request(std::shared_ptr<detail::RequestState> state) noexcept
        : state_(std::move(state)) {}

    std::shared_ptr<detail::RequestState> state_;
};

}  // namespace accel
