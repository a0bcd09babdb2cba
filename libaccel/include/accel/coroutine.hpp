// SPDX-License-Identifier: Apache-2.0
//
// C++20 coroutines that wait for jobs: `co_await job` in a Task, which an EventLoop runs.
//
//     accel::Task<float> sum(accel::Queue& queue, ...) {
//         co_await queue.submit(command);
//         co_return result[0];
//     }
//     std::future<float> result = accel::spawn(loop, sum(queue, ...));
#pragma once

#include <chrono>
#include <concepts>
#include <coroutine>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "accel/duration.hpp"
#include "accel/event_loop.hpp"
#include "accel/job.hpp"
#include "accel/request.hpp"

namespace accel {

template <typename T = void>
class Task;

/// A Job or a Request, and the longest time to wait for it.
template <typename Waitable>
struct TimedWait {
    Waitable waitable;
    Duration timeout;
};

/// `co_await with_timeout(job, 50ms)` in a Task: a WaitResult, as Job::wait(50ms) returns it.
template <typename Waitable>
[[nodiscard]] TimedWait<Waitable> with_timeout(Waitable waitable, Duration timeout) {
    return {std::move(waitable), timeout};
}

/// The same until a point in time of any clock.
template <typename Waitable, typename Clock, typename Span>
[[nodiscard]] TimedWait<Waitable> with_deadline(
    Waitable waitable, const std::chrono::time_point<Clock, Span>& deadline) {
    return {std::move(waitable), time_until(deadline)};
}

namespace detail {

using LoopPointer = std::shared_ptr<EventLoopImpl>;

template <typename T>
concept Waitable = std::same_as<T, Job> || std::same_as<T, Request>;

/// Suspends a coroutine until a job is over, and resumes it on the thread of the loop.
template <Waitable T>
class TimedAwaiter {
  public:
    TimedAwaiter(LoopPointer loop, T waitable, Duration timeout)
        : loop_(std::move(loop)), waitable_(std::move(waitable)), timeout_(timeout) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) {
        // The callback may resume and destroy the coroutine, and this object with it, before
        // when_done() returns.
        const LoopPointer loop = loop_;
        when_done(
            loop, T(waitable_),
            [this, coroutine](const JobResult& result) {
                result_ = result;
                coroutine.resume();
            },
            timeout_);
    }
    [[nodiscard]] WaitResult await_resume() const {
        result_.check();
        return result_.timed_out() ? WaitResult::timed_out : WaitResult::done;
    }

  private:
    LoopPointer loop_;
    T waitable_;
    Duration timeout_;
    JobResult result_;
};

template <Waitable T>
class Awaiter : public TimedAwaiter<T> {
  public:
    Awaiter(LoopPointer loop, T waitable)
        : TimedAwaiter<T>(std::move(loop), std::move(waitable), Duration::forever()) {}
    void await_resume() const { static_cast<void>(TimedAwaiter<T>::await_resume()); }
};

class PromiseBase {
  public:
    struct FinalAwaiter {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <typename Promise>
        std::coroutine_handle<> await_suspend(
            std::coroutine_handle<Promise> coroutine) const noexcept {
            return coroutine.promise().continuation_;
        }
        void await_resume() const noexcept {}
    };

    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] FinalAwaiter final_suspend() const noexcept { return {}; }

    template <Waitable T>
    [[nodiscard]] Awaiter<T> await_transform(T waitable) const {
        return {loop_, std::move(waitable)};
    }
    template <Waitable T>
    [[nodiscard]] TimedAwaiter<T> await_transform(TimedWait<T> wait) const {
        return {loop_, std::move(wait.waitable), wait.timeout};
    }
    template <typename T>
    [[nodiscard]] auto await_transform(Task<T> task) const;
    template <typename Other>
    requires(!Waitable<std::remove_cvref_t<Other>>)
        [[nodiscard]] Other&& await_transform(Other&& other) const noexcept {
        return std::forward<Other>(other);
    }

    void set_loop(LoopPointer loop) noexcept { loop_ = std::move(loop); }
    void set_continuation(std::coroutine_handle<> continuation) noexcept {
        continuation_ = continuation;
    }

  private:
    LoopPointer loop_;
    std::coroutine_handle<> continuation_ = std::noop_coroutine();
};

template <typename T>
class Promise : public PromiseBase {
  public:
    Task<T> get_return_object();
    template <typename Value>
    void return_value(Value&& value) {
        result_.template emplace<1>(std::forward<Value>(value));
    }
    void unhandled_exception() { result_.template emplace<2>(std::current_exception()); }
    T take() {
        if (result_.index() == 2) {
            std::rethrow_exception(std::get<2>(result_));
        }
        return std::move(std::get<1>(result_));
    }

  private:
    std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class Promise<void> : public PromiseBase {
  public:
    Task<void> get_return_object();
    void return_void() const noexcept {}
    void unhandled_exception() noexcept { error_ = std::current_exception(); }
    void take() const {
        if (error_) {
            std::rethrow_exception(error_);
        }
    }

  private:
    std::exception_ptr error_;
};

}  // namespace detail

/// A coroutine that runs on the thread of an EventLoop. It starts when spawn() or another Task
/// awaits it, and is destroyed with its Task. In it, `co_await` accepts:
///
/// | operand | result |
/// |---|---|
/// | a Job or a Request | nothing; throws the Error of the job |
/// | with_timeout(job, 50ms), with_deadline(job, time) | a WaitResult; the same |
/// | another `Task<U>` | its result, or its exception |
/// | any awaitable of another library | as there; it chooses the thread |
///
/// When the loop ends, each `co_await` of a job throws Error(operation_canceled), so that the
/// coroutine ends. Move-only.
///
/// Thread-safety: none of its own.
template <typename T>
class [[nodiscard]] Task {
  public:
    using promise_type = detail::Promise<T>;

    Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    ~Task() {
        if (coroutine_) {
            coroutine_.destroy();
        }
    }

  private:
    friend promise_type;
    friend class detail::PromiseBase;
    template <typename U>
    friend std::future<U> spawn(EventLoop& loop, Task<U> task);

    struct Child {
        Task task;
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept {
            task.coroutine_.promise().set_continuation(parent);
            return task.coroutine_;
        }
        T await_resume() const { return task.coroutine_.promise().take(); }
    };

    explicit Task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}

    std::coroutine_handle<promise_type> coroutine_;
};

namespace detail {

template <typename T>
Task<T> Promise<T>::get_return_object() {
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() {
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

template <typename T>
auto PromiseBase::await_transform(Task<T> task) const {
    task.coroutine_.promise().set_loop(loop_);
    return typename Task<T>::Child{std::move(task)};
}

/// The coroutine that a spawned Task returns to. Nothing owns it; it ends by itself.
struct Spawned {
    struct promise_type {
        [[nodiscard]] Spawned get_return_object() const noexcept { return {}; }
        [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
        [[nodiscard]] std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        [[noreturn]] void unhandled_exception() const noexcept { std::terminate(); }
    };
};

template <typename Child, typename T>
Spawned run_spawned(Child child, std::promise<T> promise) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await child;
            promise.set_value();
        } else {
            promise.set_value(co_await child);
        }
    } catch (...) {
        promise.set_exception(std::current_exception());
    }
}

}  // namespace detail

/// Starts a task on the thread of the loop. The future has its result or its exception; it throws
/// std::future_error if the loop ends before the task starts.
template <typename T>
std::future<T> spawn(EventLoop& loop, Task<T> task) {
    task.coroutine_.promise().set_loop(detail::EventLoopAccess::impl(loop));
    std::promise<T> promise;
    std::future<T> future = promise.get_future();
    loop.post(
        [child = typename Task<T>::Child{std::move(task)}, promise = std::move(promise)]() mutable {
            detail::run_spawned(std::move(child), std::move(promise));
        });
    return future;
}

/// `co_await resume_on(loop, job)` in a coroutine of any type: waits for the job, and resumes the
/// coroutine on the thread of the loop. Throws the Error of the job.
template <detail::Waitable T>
[[nodiscard]] detail::Awaiter<T> resume_on(const EventLoop& loop, T waitable) {
    return {detail::EventLoopAccess::impl(loop), std::move(waitable)};
}

}  // namespace accel
