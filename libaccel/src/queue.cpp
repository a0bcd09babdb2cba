// SPDX-License-Identifier: Apache-2.0
//
// The public face of a queue; queue_impl.cpp does the work.
#include "accel/queue.hpp"

#include <accel_uapi.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "epoch.hpp"
#include "queue_impl.hpp"

namespace accel {

namespace {

std::span<const Operand> to_span(std::initializer_list<Operand> list) {
    return {list.begin(), list.size()};
}

void refuse_open_batch(const detail::QueueImpl& queue) {
    if (queue.batch_open) {
        throw Error(std::errc::device_or_resource_busy,
                    "a batch of this queue is open: submit or destroy it first");
    }
}

// One command, published at once; no job if the ring is full and `block` is not set.
template <typename... What>
std::optional<Job> submit_one(const std::shared_ptr<detail::Epoch>& epoch, bool block,
                              What&&... what) {
    detail::QueueImpl& queue = epoch->queue();
    refuse_open_batch(queue);
    const std::uint64_t sequence = queue.stage(*epoch, std::forward<What>(what)..., block);
    if (sequence == 0) {
        return std::nullopt;
    }
    queue.publish();
    return detail::JobAccess::make(epoch, sequence);
}

}  // namespace

Queue::Queue(std::shared_ptr<detail::Epoch> epoch) noexcept : epoch_(std::move(epoch)) {}
Queue::Queue(Queue&&) noexcept = default;

Queue& Queue::operator=(Queue&& other) noexcept {
    if (this != &other) {
        close();
        epoch_ = std::move(other.epoch_);
    }
    return *this;
}

Queue::~Queue() {
    close();
}

void Queue::close() noexcept {
    if (epoch_) {
        epoch_->queue().close(*epoch_);
        epoch_.reset();
    }
}

Job Queue::submit(const Command& command) {
    if (epoch_) [[likely]] {
        detail::QueueImpl& queue = epoch_->queue();
        if (const std::uint64_t sequence =
                queue.stage_plain(epoch_->ended() || queue.batch_open, command)) [[likely]] {
            queue.publish();
            return detail::JobAccess::make(epoch_, sequence);
        }
    }
    return submit_other(command);
}

Job Queue::submit_other(const Command& command) {
    return *submit_one(detail::QueueAccess::epoch(*this), true, command);
}

Job Queue::submit(const CommandList& list, std::initializer_list<Operand> arguments) {
    return submit(list, to_span(arguments));
}

Job Queue::submit(const CommandList& list, std::span<const Operand> arguments) {
    return *submit_one(detail::QueueAccess::epoch(*this), true, detail::ListAccess::impl(list),
                       arguments);
}

std::optional<Job> Queue::try_submit(const Command& command) {
    return submit_one(detail::QueueAccess::epoch(*this), false, command);
}

std::optional<Job> Queue::try_submit(const CommandList& list,
                                     std::initializer_list<Operand> arguments) {
    return try_submit(list, to_span(arguments));
}

std::optional<Job> Queue::try_submit(const CommandList& list, std::span<const Operand> arguments) {
    return submit_one(detail::QueueAccess::epoch(*this), false, detail::ListAccess::impl(list),
                      arguments);
}

Batch Queue::batch() {
    const auto& epoch = detail::QueueAccess::epoch(*this);
    refuse_open_batch(epoch->queue());
    epoch->queue().batch_open = true;
    return Batch(epoch);
}

void Queue::synchronize() {
    const auto& epoch = detail::QueueAccess::epoch(*this);
    if (const std::uint64_t newest = epoch->queue().published(); newest != 0) {
        static_cast<void>(epoch->wait(newest, detail::no_deadline));
    }
}

void Queue::reset() {
    const auto& epoch = detail::QueueAccess::epoch(*this);
    refuse_open_batch(epoch->queue());
    auto next = detail::QueueImpl::next_epoch(*epoch);
    epoch->queue().reset(*epoch);
    epoch_ = std::move(next);
}

void Queue::ring_doorbell() {
    detail::QueueAccess::epoch(*this)->queue().ring();
}

void Queue::notify(const Job& job) {
    const auto& epoch = detail::QueueAccess::epoch(*this);
    const auto& of = detail::JobAccess::epoch(job);
    if (of && of != epoch) {
        throw Error(std::errc::invalid_argument,
                    "the job is not of this queue, or from before its last reset");
    }
    if (const int error = epoch->set_user_interest(job.sequence()); error != 0) {
        detail::throw_errno(error, "cannot have a job notified");
    }
}

UringWait Queue::uring_wait(const Job& job, std::chrono::milliseconds timeout) const {
    const auto& epoch = detail::QueueAccess::epoch(*this);
    if (detail::JobAccess::epoch(job) != epoch) {
        throw Error(std::errc::invalid_argument,
                    "the job is not of this queue, or from before its last reset");
    }
    if (timeout < std::chrono::milliseconds::zero() || timeout > max_uring_timeout) {
        throw Error(std::errc::invalid_argument, "io_uring waits for 0 to 60 seconds");
    }
    const accel_uring_wait wait{.handle = epoch->queue().handle(),
                                .timeout_ms = static_cast<std::uint32_t>(timeout.count()),
                                .sequence = job.sequence()};
    UringWait entry{.fd = epoch->queue().device().fd(), .operation = ACCEL_URING_WAIT};
    static_assert(sizeof wait == sizeof entry.payload);
    std::memcpy(entry.payload.data(), &wait, sizeof wait);
    return entry;
}

void Queue::set_spin(std::chrono::nanoseconds spin) {
    detail::QueueAccess::epoch(*this)->queue().spin_ns.store(spin.count(),
                                                             std::memory_order_relaxed);
}

std::chrono::nanoseconds Queue::spin() const {
    return std::chrono::nanoseconds(
        detail::QueueAccess::epoch(*this)->queue().spin_ns.load(std::memory_order_relaxed));
}

std::uint32_t Queue::id() const {
    return detail::QueueAccess::epoch(*this)->queue().handle();
}

std::uint32_t Queue::entries() const {
    return detail::QueueAccess::epoch(*this)->queue().entries();
}

std::uint32_t Queue::pending() const {
    const detail::QueueImpl& queue = detail::QueueAccess::epoch(*this)->queue();
    const std::uint64_t published = queue.published();
    return static_cast<std::uint32_t>(published - std::min(queue.completed(), published));
}

std::uint64_t Queue::doorbells() const {
    return detail::QueueAccess::epoch(*this)->queue().doorbells();
}

QueueStats Queue::stats() const {
    return detail::QueueAccess::epoch(*this)->queue().stats();
}

std::optional<CardFailure> Queue::failure() const {
    return detail::QueueAccess::epoch(*this)->queue().failure();
}

// ---- Batch ----

Batch::Batch(std::shared_ptr<detail::Epoch> epoch) noexcept : epoch_(std::move(epoch)) {}
Batch::Batch(Batch&&) noexcept = default;

Batch::~Batch() {
    if (epoch_) {
        epoch_->queue().withdraw();
        epoch_->queue().batch_open = false;
    }
}

namespace {

const std::shared_ptr<detail::Epoch>& opened(const std::shared_ptr<detail::Epoch>& epoch) {
    if (!epoch) {
        throw Error(std::errc::invalid_argument,
                    "this Batch was submitted or moved from: ask the queue for a new one");
    }
    return epoch;
}

}  // namespace

Batch& Batch::add(const Command& command) {
    if (epoch_ && epoch_->queue().stage_plain(epoch_->ended(), command) != 0) [[likely]] {
        return *this;
    }
    return add_other(command);
}

Batch& Batch::add_other(const Command& command) {
    const auto& epoch = opened(epoch_);
    static_cast<void>(epoch->queue().stage(*epoch, command, true));
    return *this;
}

Batch& Batch::add(const CommandList& list, std::initializer_list<Operand> arguments) {
    return add(list, to_span(arguments));
}

Batch& Batch::add(const CommandList& list, std::span<const Operand> arguments) {
    const auto& epoch = opened(epoch_);
    static_cast<void>(
        epoch->queue().stage(*epoch, detail::ListAccess::impl(list), arguments, true));
    return *this;
}

std::size_t Batch::size() const {
    return opened(epoch_)->queue().staged();
}

Job Batch::submit() {
    detail::QueueImpl& queue = opened(epoch_)->queue();
    if (epoch_->ended()) {
        detail::throw_errno(ECANCELED, "cannot submit a batch to a queue that has ended");
    }
    if (queue.staged() == 0) {
        throw Error(std::errc::invalid_argument,
                    "the batch is empty: add a command before it is submitted");
    }
    queue.publish();
    queue.batch_open = false;
    const std::uint64_t sequence = queue.published();
    return detail::JobAccess::make(std::move(epoch_), sequence);
}

}  // namespace accel
