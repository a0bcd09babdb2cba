// SPDX-License-Identifier: Apache-2.0
//
// Giving requests to cards, and the ends of requests, queues and cards.
#include "dispatcher.hpp"

#include <algorithm>
#include <iterator>
#include <new>
#include <string>
#include <utility>

#include "logger.hpp"
#include "throw_error.hpp"

namespace accel::detail {

namespace {

Error closed_error() {
    return {std::errc::operation_canceled,
            "the request was canceled, because the object that accepted it was destroyed: call "
            "synchronize() before, to let requests finish"};
}

// Whether the open device has ended, and not only the queue.
bool ends_card(const Error& error) {
    return error.errc() == static_cast<std::errc>(ESTALE) ||
           error.errc() == std::errc::no_such_device ||
           error.errc() == std::errc::state_not_recoverable;
}

}  // namespace

Dispatcher::Dispatcher(std::shared_ptr<EventLoopImpl> loop, const DispatcherOptions& options,
                       const char* type)
    : loop_(std::move(loop)), options_(options) {
    if (options.in_flight == 0 || options.max_waiting == 0) {
        throw_invalid(std::string(type) +
                      "::" + (options.in_flight == 0 ? "in_flight" : "max_waiting") +
                      " is 0, and no request could run: it must be at least 1");
    }
}

std::size_t Dispatcher::add(const Device& device) {
    check_process();
    Queue queue = device.create_queue(options_.queue);
    const std::lock_guard lock(mutex_);
    cards_.push_back(
        {.queue = std::move(queue), .running = {}, .started = 0, .failure = std::nullopt});
    dispatch();
    return cards_.size() - 1;
}

bool Dispatcher::has_cards() const noexcept {
    return std::ranges::any_of(cards_, [](const Card& card) { return !card.failure; });
}

std::size_t Dispatcher::unfinished() const noexcept {
    std::size_t count = waiting_.size();
    for (const Card& card : cards_) {
        count += card.running.size();
    }
    return count;
}

void Dispatcher::check_process() const {
    if (origin_.in_child()) {
        throw_in_child();
    }
}

void Dispatcher::check_may_wait() const {
    if (loop_->on_this_thread()) {
        throw Error(std::errc::resource_deadlock_would_occur,
                    "this thread completes the requests, so it cannot wait for them: use "
                    "try_submit(), or call from another thread");
    }
}

std::optional<Request> Dispatcher::submit(DeviceGroup::Work work, bool block) {
    check_process();
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= options_.max_waiting) {
        if (!block) {
            return std::nullopt;
        }
        check_may_wait();
        has_room_.wait(lock, [this] { return waiting_.size() < options_.max_waiting || closed_; });
    }
    Item item{.request = make_request(weak_from_this()), .work = std::move(work)};
    Request request = item.request;
    if (closed_) {
        complete(request, closed_error());
        return request;
    }
    waiting_.push_back(std::move(item));
    dispatch();
    return request;
}

Dispatcher::Card* Dispatcher::least_loaded() noexcept {
    Card* best = nullptr;
    for (Card& card : cards_) {
        if (card.failure || card.running.size() >= options_.in_flight) {
            continue;
        }
        const auto load = [](const Card& c) { return std::pair(c.running.size(), c.started); };
        if (best == nullptr || load(card) < load(*best)) {
            best = &card;
        }
    }
    return best;
}

void Dispatcher::dispatch() {
    while (!waiting_.empty()) {
        Card* const card = least_loaded();
        if (card == nullptr) {
            break;
        }
        Item item = std::move(waiting_.front());
        waiting_.pop_front();
        start(*card, std::move(item));
    }
    if (!waiting_.empty() && !has_cards()) {
        const auto last = std::ranges::find_if(cards_, [](const Card& c) { return !!c.failure; });
        end_items(std::exchange(waiting_, {}),
                  Error(std::errc::no_such_device,
                        "no card is left to run the request: open a card again and add it; the "
                        "first that ended: " +
                            std::string(last->failure->what()),
                        last->failure->reason()));
    }
    if (waiting_.size() < options_.max_waiting) {
        has_room_.notify_all();
    }
    if (unfinished() == 0) {
        is_idle_.notify_all();
    }
}

void Dispatcher::start(Card& card, Item item) {
    ++card.started;
    item.run = ++newest_run_;
    const auto index = static_cast<std::size_t>(
        std::ranges::find_if(cards_, [&](const Card& c) { return &c == &card; }) - cards_.begin());
    try {
        const Job job = item.work(card.queue, index);
        loop_->when_done(
            job,
            [self = shared_from_this(), index, run = item.run](const JobResult& result) {
                self->run_ended(index, run, result);
            },
            no_deadline);
        card.running.push_back(std::move(item));
    } catch (const Error& error) {
        complete(item.request, error);
        if (ends_card(error)) {
            end_card(card, error);
        }
    } catch (const std::bad_alloc&) {
        complete(item.request, Error(std::errc::not_enough_memory,
                                     "the host has no memory left to submit the request"));
    } catch (const std::exception& error) {
        complete(item.request, Error(std::errc::invalid_argument,
                                     "the function of the request threw an exception: " +
                                         std::string(error.what())));
    }
}

void Dispatcher::run_ended(std::size_t index, std::uint64_t run, const JobResult& result) {
    const std::lock_guard lock(mutex_);
    Card& card = cards_[index];
    const auto item =
        std::ranges::find_if(card.running, [&](const Item& i) { return i.run == run; });
    if (item == card.running.end()) {
        return;  // it was canceled, or its queue or card ended before
    }
    if (result.ok()) {
        complete(item->request, result);
        card.running.erase(item);
    } else if (ends_card(*result.error())) {
        end_card(card, *result.error());
    } else {
        fail_first(card, *result.error());
    }
    dispatch();
}

// The jobs of a queue end in order, and the one that failed stopped it: so the first of `running`
// failed, and those behind it did not begin.
void Dispatcher::fail_first(Card& card, const Error& error) {
    Items behind = std::exchange(card.running, {});
    complete(behind.front().request, error);
    behind.pop_front();
    if (!error.failure()) {
        end_items(behind, error);  // the event loop ended
        return;
    }
    try {
        card.queue.reset();
    } catch (const Error& reset_error) {
        card.running = std::move(behind);
        end_card(card, reset_error);
        return;
    }
    for (Item& item : behind) {
        if (card.failure) {
            waiting_.push_back(std::move(item));
        } else {
            start(card, std::move(item));
        }
    }
}

void Dispatcher::end_card(Card& card, const Error& error) {
    card.failure = error;
    log_lazily(LogLevel::warn,
               [&] { return std::string("a card takes no more requests: ") + error.what(); });
    Items again;
    for (Item& item : std::exchange(card.running, {})) {
        if (item.reruns < options_.reruns && has_cards()) {
            ++item.reruns;
            again.push_back(std::move(item));
        } else {
            complete(item.request, error);
        }
    }
    waiting_.insert(waiting_.begin(), std::move_iterator(again.begin()),
                    std::move_iterator(again.end()));
}

void Dispatcher::end_items(const Items& items, const Error& error) noexcept {
    for (const Item& item : items) {
        complete(item.request, error);
    }
}

bool Dispatcher::cancel(const Request& request) {
    check_process();
    const std::lock_guard lock(mutex_);
    const auto item =
        std::ranges::find_if(waiting_, [&](const Item& i) { return i.request == request; });
    if (item == waiting_.end()) {
        return false;
    }
    const Item canceled = std::move(*item);
    waiting_.erase(item);
    complete(request,
             Error(std::errc::operation_canceled, "the request was canceled before a card had it"));
    has_room_.notify_all();
    if (unfinished() == 0) {
        is_idle_.notify_all();
    }
    return true;
}

void Dispatcher::synchronize() {
    check_process();
    std::unique_lock lock(mutex_);
    if (unfinished() != 0) {
        check_may_wait();
        is_idle_.wait(lock, [this] { return unfinished() == 0; });
    }
}

std::size_t Dispatcher::pending() const {
    check_process();
    const std::lock_guard lock(mutex_);
    return unfinished();
}

std::vector<DeviceGroupCard> Dispatcher::cards() const {
    check_process();
    const std::lock_guard lock(mutex_);
    std::vector<DeviceGroupCard> result;
    for (const Card& card : cards_) {
        result.push_back(
            {.running = card.running.size(), .started = card.started, .failure = card.failure});
    }
    return result;
}

void Dispatcher::close(std::shared_ptr<Dispatcher> dispatcher) noexcept {
    if (dispatcher->origin_.in_child()) {
        leak(std::move(dispatcher));
    } else {
        dispatcher->close();
    }
}

void Dispatcher::close() noexcept {
    std::deque<Card> cards;
    Items items;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        items = std::exchange(waiting_, {});
        // The event loop may still report their jobs: the cards stay, with nothing running.
        for (Card& card : cards_) {
            std::ranges::move(std::exchange(card.running, {}), std::back_inserter(items));
            cards.push_back(
                {.queue = std::move(card.queue), .running = {}, .started = 0, .failure = {}});
        }
        has_room_.notify_all();
        is_idle_.notify_all();
    }
    cards.clear();  // ends the jobs, before their requests end
    end_items(items, closed_error());
}

}  // namespace accel::detail
