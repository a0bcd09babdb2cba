// SPDX-License-Identifier: Apache-2.0
//
// The state of a request: its result, the threads that wait for it, and its callbacks.
#include "accel/request.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "event_loop_impl.hpp"
#include "fork.hpp"
#include "throw_error.hpp"

namespace accel {

namespace detail {

RequestOwner::~RequestOwner() = default;

/// Lock order: the lock of the owner, mutex_, the lock of an event loop.
///
/// Thread-safety: any thread.
class RequestState {
  public:
    explicit RequestState(std::weak_ptr<RequestOwner> owner) noexcept : owner_(std::move(owner)) {}

    [[nodiscard]] bool done() const noexcept {
        if (origin_.in_child()) {
            return true;  // so that no loop waits forever
        }
        const std::lock_guard lock(mutex_);
        return result_.has_value();
    }

    [[nodiscard]] WaitResult wait(Deadline deadline) {
        check_process();
        std::unique_lock lock(mutex_);
        if (!result_) {
            lock.unlock();
            check_thread();
            lock.lock();
        }
        const auto over = [this] { return result_.has_value(); };
        // Far enough, and near enough not to overflow in the condition variable.
        constexpr std::chrono::hours longest{24 * 365};
        if (deadline == no_deadline ||
            deadline - now() > std::chrono::nanoseconds(longest).count()) {
            changed_.wait(lock, over);
        } else {
            const std::chrono::steady_clock::time_point point{std::chrono::nanoseconds(deadline)};
            if (!changed_.wait_until(lock, point, over)) {
                return WaitResult::timed_out;
            }
        }
        result_->check();
        return WaitResult::done;
    }

    void complete(const JobResult& result) noexcept {
        std::vector<Callback> callbacks;
        {
            const std::lock_guard lock(mutex_);
            if (result_) {
                return;
            }
            result_ = result;
            callbacks = std::move(callbacks_);
        }
        changed_.notify_all();
        for (const Callback& callback : callbacks) {
            if (const auto loop = callback.loop.lock()) {
                loop->finish(callback.ticket, result);
            }
        }
    }

    void add_callback(const std::shared_ptr<EventLoopImpl>& loop, JobCallback callback,
                      Deadline deadline) {
        check_process();
        const std::lock_guard lock(mutex_);
        const auto ticket = loop->add(std::move(callback), deadline);
        if (result_) {
            loop->finish(ticket, *result_);
        } else {
            callbacks_.push_back({loop, ticket});
        }
    }

    [[nodiscard]] std::shared_ptr<RequestOwner> owner() const { return owner_.lock(); }
    [[nodiscard]] bool in_child() const noexcept { return origin_.in_child(); }
    void check_process() const {
        if (origin_.in_child()) {
            throw_in_child();
        }
    }

  private:
    struct Callback {
        std::weak_ptr<EventLoopImpl> loop;
        EventLoopImpl::Ticket ticket;
    };

    void check_thread() const {
        if (const auto owner = owner_.lock(); owner && owner->completes_on_this_thread()) {
            throw Error(std::errc::resource_deadlock_would_occur,
                        "this thread completes the request, so it cannot wait for it: use "
                        "Request::then(), or wait on another thread");
        }
    }

    Origin origin_;
    std::weak_ptr<RequestOwner> owner_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<JobResult> result_;
    std::vector<Callback> callbacks_;
};

Request make_request(std::weak_ptr<RequestOwner> owner) {
    // In a child it is kept forever: threads of the parent may wait on its condition variable.
    return Request(std::shared_ptr<RequestState>(
        std::make_unique<RequestState>(std::move(owner)).release(), [](RequestState* state) {
            if (!state->in_child()) {
                delete state;  // NOLINT(cppcoreguidelines-owning-memory): the deleter
            }
        }));
}

void complete(const Request& request, const JobResult& result) noexcept {
    request.state_->complete(result);
}

void when_done(const std::shared_ptr<EventLoopImpl>& loop, const Request& request,
               JobCallback callback, Duration timeout) {
    if (request.state_) {
        request.state_->add_callback(loop, std::move(callback), deadline_after(timeout));
    } else {
        loop->when_done(Job(), std::move(callback), no_deadline);
    }
}

}  // namespace detail

bool Request::done() const noexcept {
    return !state_ || state_->done();
}

void Request::wait() const {
    if (state_) {
        static_cast<void>(state_->wait(detail::no_deadline));
    }
}

WaitResult Request::wait(Duration timeout) const {
    return state_ ? state_->wait(detail::deadline_after(timeout)) : WaitResult::done;
}

bool Request::cancel() const {
    if (!state_) {
        return false;
    }
    state_->check_process();
    const auto owner = state_->owner();
    return owner && owner->cancel(*this);
}

void Request::then(EventLoop& loop, JobCallback callback, Duration timeout) const {
    const auto& impl = detail::EventLoopAccess::impl(loop);
    if (!impl) {
        detail::throw_moved_from("EventLoop");
    }
    detail::when_done(impl, *this, std::move(callback), timeout);
}

}  // namespace accel
