// SPDX-License-Identifier: Apache-2.0
//
// The public Batch: commands staged in the ring of a queue, published together.
#include "accel/batch.hpp"

#include <utility>

#include "queue_impl.hpp"

namespace accel {

namespace {

detail::QueueImpl& opened(const std::shared_ptr<detail::QueueImpl>& impl) {
    if (!impl) {
        throw Error(std::errc::invalid_argument,
                    "this Batch was submitted or moved from: ask the queue for a new one");
    }
    return *impl;
}

}  // namespace

Batch::Batch(std::shared_ptr<detail::QueueImpl> impl) noexcept : impl_(std::move(impl)) {}
Batch::Batch(Batch&&) noexcept = default;

Batch::~Batch() {
    if (impl_) {
        impl_->ring().withdraw();
        impl_->close_batch();
    }
}

Batch& Batch::add(const Command& command) {
    if (impl_ && !impl_->ended() && impl_->stage_simple(impl_->ring(), command) != 0) [[likely]] {
        return *this;
    }
    return add_slow(command);
}

Batch& Batch::add_slow(const Command& command) {
    static_cast<void>(opened(impl_).stage(command, true));
    return *this;
}

Batch& Batch::add(const CommandList& list, std::initializer_list<Operand> arguments) {
    return add(list, std::span<const Operand>{arguments.begin(), arguments.size()});
}

Batch& Batch::add(const CommandList& list, std::span<const Operand> arguments) {
    static_cast<void>(opened(impl_).stage(detail::ListAccess::impl(list), arguments, true));
    return *this;
}

std::size_t Batch::size() const {
    return opened(impl_).ring().unpublished();
}

Job Batch::submit() {
    detail::QueueImpl& queue = opened(impl_);
    queue.check_not_ended();
    if (queue.ring().unpublished() == 0) {
        throw Error(std::errc::invalid_argument,
                    "the batch is empty: add a command before you submit it");
    }
    queue.ring().publish();
    queue.close_batch();
    Job job = queue.job(queue.ring().published());
    impl_.reset();
    return job;
}

}  // namespace accel
