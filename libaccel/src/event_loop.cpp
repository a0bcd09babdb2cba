// SPDX-License-Identifier: Apache-2.0
//
// The public EventLoop, and the thread that the library makes for one.
#include "accel/event_loop.hpp"

#include <system_error>
#include <utility>

#include "event_loop_impl.hpp"

namespace accel {

namespace {

detail::EventLoopImpl& opened(const std::shared_ptr<detail::EventLoopImpl>& impl) {
    if (!impl) {
        detail::throw_moved_from("EventLoop");
    }
    return *impl;
}

// An exception of a callback ends the program, as that of any thread does.
void run_in_thread(const std::shared_ptr<detail::EventLoopImpl>& loop) noexcept {
    loop->run();
    loop->close();
}

std::thread start_thread(const std::shared_ptr<detail::EventLoopImpl>& loop) {
    try {
        return std::thread(run_in_thread, loop);
    } catch (const std::system_error& error) {
        throw Error(static_cast<std::errc>(error.code().value()),
                    "cannot start a thread for the event loop: end other programs, or raise the "
                    "limits of threads (ulimit -u) and memory (ulimit -v)");
    }
}

}  // namespace

EventLoop::EventLoop() : impl_(std::make_shared<detail::EventLoopImpl>()) {}

EventLoop EventLoop::with_thread() {
    EventLoop loop;
    loop.thread_ = start_thread(loop.impl_);
    return loop;
}

EventLoop::EventLoop(EventLoop&&) noexcept = default;

EventLoop& EventLoop::operator=(EventLoop&& other) noexcept {
    if (this != &other) {
        end();
        impl_ = std::move(other.impl_);
        thread_ = std::move(other.thread_);
    }
    return *this;
}

EventLoop::~EventLoop() {
    end();
}

void EventLoop::end() noexcept {
    if (!impl_) {
        return;
    }
    if (impl_->in_child()) {
        // The thread does not exist in the child, and the holder of the lock may not either.
        detail::leak(std::move(thread_));
        detail::leak(std::move(impl_));
        return;
    }
    if (!thread_.joinable()) {
        impl_->close();
    } else {
        impl_->stop();
        if (thread_.get_id() == std::this_thread::get_id()) {
            thread_.detach();  // a callback destroys the loop: the thread ends after it
        } else {
            thread_.join();
        }
    }
    impl_.reset();
}

void EventLoop::when_done(const Job& job, JobCallback callback, Duration timeout) {
    opened(impl_).when_done(job, std::move(callback), detail::deadline_after(timeout));
}

void EventLoop::post(UniqueFunction<void()> function) {
    opened(impl_).post(std::move(function), 0);
}

void EventLoop::post_after(Duration delay, UniqueFunction<void()> function) {
    opened(impl_).post(std::move(function), detail::deadline_after(delay));
}

std::size_t EventLoop::run_once(Duration timeout) {
    const std::shared_ptr<detail::EventLoopImpl> impl = impl_;  // a callback may destroy the loop
    return opened(impl).run_once(detail::deadline_after(timeout));
}

void EventLoop::run() {
    const std::shared_ptr<detail::EventLoopImpl> impl = impl_;  // a callback may destroy the loop
    opened(impl).run();
}

void EventLoop::stop() {
    opened(impl_).stop();
}

bool EventLoop::on_this_thread() const {
    return opened(impl_).on_this_thread();
}

std::size_t EventLoop::pending() const {
    return opened(impl_).pending();
}

int EventLoop::fd() {
    return opened(impl_).fd();
}

void Job::then(EventLoop& loop, JobCallback callback) const {
    loop.when_done(*this, std::move(callback));
}

namespace detail {

void when_done(const std::shared_ptr<EventLoopImpl>& loop, const Job& job, JobCallback callback,
               Duration timeout) {
    loop->when_done(job, std::move(callback), deadline_after(timeout));
}

}  // namespace detail

}  // namespace accel
