// SPDX-License-Identifier: Apache-2.0
//
// Several cards behind one object.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "accel/device.hpp"
#include "accel/error.hpp"
#include "accel/event_loop.hpp"
#include "accel/queue.hpp"
#include "accel/request.hpp"
#include "accel/unique_function.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class Dispatcher;
}

struct DeviceGroupOptions {
    QueueOptions queue = {};
    /// Requests that each card has at a time; the others wait in the host. At least 1.
    std::size_t in_flight = 2;
    /// Requests that wait in the host; submit() waits when there are more. At least 1.
    std::size_t max_waiting = 1024;
    /// How often a request runs again, on another card, when its card ends before it is over. Such
    /// a request may have run in part, so it must give the same result when it runs again. Zero:
    /// it gets the Error of the card. A request that makes cards fail ends as many cards as this
    /// permits, and one more.
    unsigned reruns = 0;
};

/// The state of a card of a group.
struct DeviceGroupCard {
    std::size_t running = 0;       ///< requests that the card has
    std::size_t started = 0;       ///< requests that it got so far, with those that ran again
    std::optional<Error> failure;  ///< the reason why it dropped out of the group
};

/// Gives each request to the card that has the fewest requests. A request is a function that
/// submits one job or several to the Queue that it gets, and returns the last; its second argument
/// is the index of the card in the group, for the buffers and the Model of that card. The function
/// runs on the thread of submit() or on that of the event loop, under a lock: it must not call this
/// object. It runs again only as DeviceGroupOptions::reruns says, and if the queue stopped before
/// its jobs began.
///
/// A card that was reset or removed, or does not work any more, drops out; its requests get the
/// Error, with the reason, or run on another card. The others continue. Without any card left,
/// every request gets Error(no_such_device). A request whose job fails gets its Error, and no other
/// request is affected. The destructor cancels requests that are not over. Move-only; keeps its
/// devices open.
///
/// Thread-safety: every member from any thread.
class ACCEL_API DeviceGroup {
  public:
    using Work = UniqueFunction<Job(Queue&, std::size_t)>;

    /// With a thread of the library. Throws Error like Device::create_queue(), and
    /// Error(invalid_argument) without a device or for an option out of range.
    explicit DeviceGroup(std::span<const Device> devices, const DeviceGroupOptions& options = {});
    /// On a loop of the caller, who must run it.
    DeviceGroup(EventLoop& loop, std::span<const Device> devices,
                const DeviceGroupOptions& options = {});

    DeviceGroup(DeviceGroup&&) noexcept;
    DeviceGroup& operator=(DeviceGroup&&) noexcept;
    DeviceGroup(const DeviceGroup&) = delete;
    DeviceGroup& operator=(const DeviceGroup&) = delete;
    ~DeviceGroup();

    /// Adds a card, such as one that was opened again after it dropped out. Returns its index: the
    /// number of cards before.
    std::size_t add(const Device& device);

    /// As RequestQueue::submit() and try_submit().
    Request submit(Work work);
    [[nodiscard]] std::optional<Request> try_submit(Work work);

    /// Waits until all accepted requests are over. Does not throw their errors.
    void synchronize();

    /// The number of requests that are not over.
    [[nodiscard]] std::size_t pending() const;

    /// All cards that were ever in the group, by index.
    [[nodiscard]] std::vector<DeviceGroupCard> cards() const;

  private:
    void close() noexcept;

    std::optional<EventLoop> own_loop_;
    std::shared_ptr<detail::Dispatcher> dispatcher_;
};

}  // namespace accel
