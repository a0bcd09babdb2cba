// SPDX-License-Identifier: Apache-2.0
//
// The host's side of RequestQueue and DeviceGroup: requests wait here until a card has room for
// them. The card may copy commands out of a ring long before it runs them, and has no command that
// takes one back. So a request is given to a card as late as possible, and canceled only before.
//
// Lock order: mutex_, then the locks of requests, event loops and completion states.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "accel/device.hpp"
#include "accel/device_group.hpp"
#include "accel/queue.hpp"
#include "accel/request.hpp"
#include "event_loop_impl.hpp"
#include "fork.hpp"

namespace accel::detail {

struct DispatcherOptions {
    QueueOptions queue;
    std::size_t in_flight = 0;
    std::size_t max_waiting = 0;
    unsigned reruns = 0;
};

/// Thread-safety: any thread.
class Dispatcher final : public RequestOwner, public std::enable_shared_from_this<Dispatcher> {
  public:
    /// Throws Error(invalid_argument) for an option out of range; `type` names its structure.
    Dispatcher(std::shared_ptr<EventLoopImpl> loop, const DispatcherOptions& options,
               const char* type);

    /// Adds a card, and returns its index.
    std::size_t add(const Device& device);

    /// Accepts a request. Returns nothing if there is no room and `block` is not set.
    [[nodiscard]] std::optional<Request> submit(DeviceGroup::Work work, bool block);

    [[nodiscard]] bool cancel(const Request& request) override;
    [[nodiscard]] bool completes_on_this_thread() const noexcept override {
        return loop_->on_this_thread();
    }

    void synchronize();
    [[nodiscard]] std::size_t pending() const;
    [[nodiscard]] std::vector<DeviceGroupCard> cards() const;

    /// Cancels all requests and destroys the queues. In a child, keeps the object forever.
    static void close(std::shared_ptr<Dispatcher> dispatcher) noexcept;

  private:
    void close() noexcept;

    struct Item {
        Request request;
        DeviceGroup::Work work;
        unsigned reruns = 0;
        std::uint64_t run = 0;  // names this run, once a card has it
    };
    using Items = std::deque<Item>;

    struct Card {
        Queue queue;
        Items running;
        std::size_t started = 0;
        std::optional<Error> failure;
    };

    // Under mutex_.
    void dispatch();
    [[nodiscard]] Card* least_loaded() noexcept;
    void start(Card& card, Item item);
    void fail_first(Card& card, const Error& error);
    void end_card(Card& card, const Error& error);
    void end_items(const Items& items, const Error& error) noexcept;
    [[nodiscard]] std::size_t unfinished() const noexcept;
    [[nodiscard]] bool has_cards() const noexcept;
    void check_may_wait() const;
    void check_process() const;

    void run_ended(std::size_t card, std::uint64_t run, const JobResult& result);

    Origin origin_;
    const std::shared_ptr<EventLoopImpl> loop_;
    const DispatcherOptions options_;

    mutable std::mutex mutex_;          // guards the members below
    std::condition_variable has_room_;  // fewer items wait, or it is closed
    std::condition_variable is_idle_;   // no request is left
    std::deque<Card> cards_;            // a deque does not move its elements
    Items waiting_;
    std::uint64_t newest_run_ = 0;
    bool closed_ = false;
};

}  // namespace accel::detail
