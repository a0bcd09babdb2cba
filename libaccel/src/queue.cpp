// SPDX-License-Identifier: Apache-2.0
//
// The public Queue, with the inlined path of submit(); queue_impl.cpp has the rest.
#include "accel/queue.hpp"

#include <accel_uapi.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "queue_impl.hpp"

namespace accel {

namespace {

std::span<const Operand> to_span(std::initializer_list<Operand> list) {
    return {list.begin(), list.size()};
}

void check_no_open_batch(const detail::QueueImpl& queue) {
    if (queue.batch_open()) {
        throw Error(std::errc::device_or_resource_busy,
                    "a batch of this queue is open: submit or destroy it first");
    }
}

// Stages one command or call and publishes it. Returns no job if the ring is full and `block` is
// not set.
template <typename... What>
std::optional<Job> submit_one(detail::QueueImpl& queue, bool block, What&&... what) {
    check_no_open_batch(queue);
    const std::uint64_t sequence = queue.stage(std::forward<What>(what)..., block);
    if (sequence == 0) {
        return std::nullopt;
    }
    queue.ring().publish();
    return queue.job(sequence);
}

// The messages are made out of line: they would cost the callers registers.
[[noreturn]] [[gnu::noinline]] void throw_foreign_job() {
    throw Error(std::errc::invalid_argument,
                "the job is not of this queue, or older than its last reset: pass a job that this "
                "queue's submit() returned since");
}

[[noreturn]] [[gnu::noinline]] void throw_bad_timeout(std::chrono::nanoseconds timeout) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
    throw Error(std::errc::invalid_argument,
                "the timeout of an io_uring wait is 0 to 60 seconds, not " +
                    std::to_string(ms.count()) + " ms");
}

[[noreturn]] [[gnu::noinline]] void throw_without_uring(const detail::DeviceImpl& device) {
    throw Error(
        std::errc::operation_not_supported,
        "cannot wait for a job through io_uring: the driver of " + device.path() +
            " has no io_uring waits; use Job::wait(), wait_any(), or poll() on Device::fd()");
}

[[gnu::always_inline]] inline UringWait uring_entry(const detail::QueueImpl& queue, const Job& job,
                                                    std::uint32_t timeout_ms) {
    queue.check_process();
    if (detail::JobAccess::completion(job) != queue.completion()) {
        throw_foreign_job();
    }
    const detail::DriverQueue& driver_queue = queue.ring().driver_queue();
    if ((driver_queue.device().limits().capabilities & ACCEL_CAP_URING) == 0) [[unlikely]] {
        throw_without_uring(driver_queue.device());
    }
    const accel_uring_wait wait{
        .handle = driver_queue.handle(), .timeout_ms = timeout_ms, .sequence = job.sequence()};
    UringWait entry{.fd = driver_queue.device().fd(), .cmd_op = ACCEL_URING_WAIT};
    static_assert(sizeof wait == sizeof entry.payload);
    std::memcpy(entry.payload.data(), &wait, sizeof wait);
    return entry;
}

[[gnu::noinline]] UringWait bounded_uring_entry(const detail::QueueImpl& queue, const Job& job,
                                                std::chrono::nanoseconds timeout) {
    if (timeout < std::chrono::nanoseconds::zero() || timeout > max_uring_timeout) {
        throw_bad_timeout(timeout);
    }
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout);
    return uring_entry(queue, job, static_cast<std::uint32_t>(ms.count()));
}

}  // namespace

Queue::Queue(std::shared_ptr<detail::QueueImpl> impl) noexcept : impl_(std::move(impl)) {}
Queue::Queue(Queue&&) noexcept = default;

Queue& Queue::operator=(Queue&& other) noexcept {
    if (this != &other) {
        close();
        impl_ = std::move(other.impl_);
    }
    return *this;
}

Queue::~Queue() {
    close();
}

void Queue::close() noexcept {
    if (impl_) {
        impl_->close();
        impl_.reset();
    }
}

Job Queue::submit(const Command& command) {
    if (const detail::QueueImpl* const impl = impl_.get(); impl != nullptr && impl->accepts_jobs())
        [[likely]] {
        detail::QueueRing& ring = impl->ring();
        if (const std::uint64_t sequence = impl->stage_simple(ring, command)) [[likely]] {
            ring.publish();
            return impl->job(sequence);
        }
    }
    return submit_slow(command);
}

Job Queue::submit_slow(const Command& command) {
    return *submit_one(detail::QueueAccess::impl(*this), true, command);
}

Job Queue::submit(const CommandList& list, std::initializer_list<Operand> arguments) {
    return submit(list, to_span(arguments));
}

Job Queue::submit(const CommandList& list, std::span<const Operand> arguments) {
    return *submit_one(detail::QueueAccess::impl(*this), true, detail::ListAccess::impl(list),
                       arguments);
}

std::optional<Job> Queue::try_submit(const Command& command) {
    return submit_one(detail::QueueAccess::impl(*this), false, command);
}

std::optional<Job> Queue::try_submit(const CommandList& list,
                                     std::initializer_list<Operand> arguments) {
    return try_submit(list, to_span(arguments));
}

std::optional<Job> Queue::try_submit(const CommandList& list, std::span<const Operand> arguments) {
    return submit_one(detail::QueueAccess::impl(*this), false, detail::ListAccess::impl(list),
                      arguments);
}

Batch Queue::batch() {
    detail::QueueImpl& queue = detail::QueueAccess::impl(*this);
    check_no_open_batch(queue);
    queue.open_batch();
    return Batch(impl_);
}

void Queue::synchronize() {
    const detail::QueueImpl& queue = detail::QueueAccess::impl(*this);
    queue.check_process();
    if (const std::uint64_t newest = queue.ring().published(); newest != 0) {
        static_cast<void>(queue.completion()->wait(newest, detail::no_deadline));
    }
}

void Queue::reset() {
    detail::QueueImpl& queue = detail::QueueAccess::impl(*this);
    check_no_open_batch(queue);
    queue.reset();
}

void Queue::ring_doorbell() {
    const detail::QueueImpl& queue = detail::QueueAccess::impl(*this);
    queue.check_process();
    queue.ring().ring_doorbell();
}

void Queue::notify(const Job& job) {
    const detail::QueueImpl& queue = detail::QueueAccess::impl(*this);
    queue.check_process();
    const auto& completion = queue.completion();
    const auto& of_job = detail::JobAccess::completion(job);
    if (of_job && of_job != completion) {
        throw_foreign_job();
    }
    if (const int error = completion->set_user_notification(job.sequence()); error != 0) {
        completion->device().throw_call_error(error, "cannot arm the notification of a job");
    }
}

UringWait Queue::uring_wait(const Job& job, Duration timeout) const {
    const detail::QueueImpl& queue = detail::QueueAccess::impl(*this);
    // The default needs no division.
    if (timeout == Duration(max_uring_timeout)) [[likely]] {
        return uring_entry(queue, job, std::uint32_t{max_uring_timeout.count()});
    }
    return bounded_uring_entry(queue, job, timeout.nanoseconds());
}

void Queue::set_spin(Duration spin) {
    detail::QueueAccess::impl(*this).ring().driver_queue().spin_ns.store(spin.nanoseconds().count(),
                                                                         std::memory_order_relaxed);
}

std::chrono::nanoseconds Queue::spin() const {
    return std::chrono::nanoseconds(detail::QueueAccess::impl(*this).completion()->spin_ns());
}

std::uint32_t Queue::id() const {
    return detail::QueueAccess::impl(*this).ring().driver_queue().handle();
}

std::uint32_t Queue::entries() const {
    return detail::QueueAccess::impl(*this).ring().entries();
}

std::uint32_t Queue::pending() const {
    const detail::QueueImpl& queue = detail::QueueAccess::impl(*this);
    queue.check_process();
    const detail::QueueRing& ring = queue.ring();
    const std::uint64_t published = ring.published();
    return static_cast<std::uint32_t>(published - std::min(ring.completed(), published));
}

std::uint64_t Queue::doorbells() const {
    return detail::QueueAccess::impl(*this).ring().doorbells();
}

QueueStats Queue::stats() const {
    const accel_queue_query raw = detail::QueueAccess::impl(*this).ring().driver_queue().query();
    return {.completed = raw.completed,
            .commands = raw.commands,
            .doorbells = raw.doorbells,
            .interrupts = raw.interrupts,
            .dma_busy_ticks = raw.dma_busy,
            .compute_busy_ticks = raw.compute_busy,
            .host_bytes_read = raw.host_read,
            .host_bytes_written = raw.host_written,
            .device_bytes_read = raw.memory_read,
            .device_bytes_written = raw.memory_written};
}

std::optional<CardFailure> Queue::failure() const {
    return detail::QueueAccess::impl(*this).ring().driver_queue().failure();
}

}  // namespace accel
