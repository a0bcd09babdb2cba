// SPDX-License-Identifier: Apache-2.0
//
// The producer's side of a queue: it checks commands, writes them into the ring, and resets and
// closes the queue. The ring is in queue_ring.hpp; the state that jobs hold is in
// completion_state.hpp. Calls point one way: QueueImpl, CompletionState, QueueRing, DriverQueue.
#pragma once

#include <accel_hw.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "accel/queue.hpp"
#include "command_access.hpp"
#include "completion_state.hpp"
#include "list_impl.hpp"
#include "queue_ring.hpp"

namespace accel::detail {

/// Its owners are the Queue and an open Batch.
///
/// Thread-safety: one producer.
class QueueImpl {
  public:
    QueueImpl(const std::shared_ptr<DeviceImpl>& device, const QueueOptions& options);

    [[nodiscard]] QueueRing& ring() const noexcept { return *ring_; }
    [[nodiscard]] const std::shared_ptr<CompletionState>& completion() const noexcept {
        return completion_;
    }
    [[nodiscard]] DeviceImpl& device() const noexcept { return ring_->device(); }

    [[nodiscard]] Job job(std::uint64_t sequence) const noexcept {
        return JobAccess::make(completion_, sequence);
    }

    /// The common case of stage(), short enough to inline: a command that needs only its entry in
    /// the ring. Returns zero, and writes nothing, in all other cases.
    [[nodiscard]] [[gnu::always_inline]] static std::uint64_t stage_simple(
        QueueRing& ring, const Command& command) noexcept {
        const std::uint64_t sequence = ring.next();
        if (!CommandAccess::fits(command, &ring.device()) ||
            CommandAccess::params_size(command) != 0 || !ring.has_room(sequence)) [[unlikely]] {
            return 0;
        }
        ring.write(sequence, CommandAccess::words(command).data());
        mark_used(command, ring.use_of(sequence));
        return sequence;
    }

    /// Writes a command into the ring after those that are already there. Returns its sequence
    /// number, or zero if the ring is full and `block` is not set. On an exception the ring is
    /// unchanged.
    [[nodiscard]] std::uint64_t stage(const Command& command, bool block);
    [[nodiscard]] std::uint64_t stage(const std::shared_ptr<ListImpl>& list,
                                      std::span<const Operand> arguments, bool block);

    /// Whether submit() may use stage_simple(): no batch is open, and the queue has not ended.
    [[nodiscard]] bool accepts_jobs() const noexcept { return blocked_ == 0; }
    /// After close(), or a reset that failed, and in a child.
    [[nodiscard]] bool ended() const noexcept {
        return (blocked_ & (blocked_by_end | blocked_by_fork)) != 0;
    }
    [[nodiscard]] bool in_child() const noexcept { return (blocked_ & blocked_by_fork) != 0; }
    /// Throws Error(operation_not_permitted) if so.
    void check_process() const {
        if (in_child()) [[unlikely]] {
            throw_in_child();
        }
    }

    [[nodiscard]] bool batch_open() const noexcept { return (blocked_ & blocked_by_batch) != 0; }
    void open_batch() noexcept { blocked_ |= blocked_by_batch; }
    void close_batch() noexcept { blocked_ &= ~blocked_by_batch; }

    /// Throws Error after ended(): operation_canceled, or operation_not_permitted in a child.
    void check_not_ended() const {
        if (ended()) [[unlikely]] {
            throw_ended();
        }
    }

    /// Cancels jobs that are not finished, and restarts the queue.
    void reset();

    /// Cancels jobs that are not finished, and destroys the driver's queue.
    void close() noexcept;

  private:
    static constexpr unsigned blocked_by_batch = 1;
    static constexpr unsigned blocked_by_end = 2;
    static constexpr unsigned blocked_by_fork = 4;

    [[gnu::always_inline]] static void mark_used(const Command& command,
                                                 const TrackedUse& use) noexcept {
        for (const void* const owner : CommandAccess::owners(command)) {
            static_cast<const TrackedObject*>(owner)->mark_used(use);
        }
    }

    [[nodiscard]] bool make_room(std::uint64_t sequence, bool block);
    [[nodiscard]] std::span<std::byte> block_of(Allocation& blocks, std::size_t bytes,
                                                std::uint64_t sequence, std::uint64_t* address);
    [[nodiscard]] std::span<std::byte> parameter_block(std::uint64_t sequence,
                                                       std::uint64_t* address);
    [[nodiscard]] std::span<std::byte> argument_table(std::uint64_t sequence, std::size_t arguments,
                                                      std::uint64_t* address);
    static void after_fork(void* queue) noexcept;
    [[noreturn]] void throw_ended() const;
    [[noreturn]] void throw_rejected(const Command& command) const;
    void end() noexcept;
    void log_event(const char* what, const QueueOptions* options) const noexcept;

    std::shared_ptr<QueueRing> ring_;
    std::shared_ptr<CompletionState> completion_;
    unsigned blocked_ = 0;
    // A block for each entry of the ring: the parameters of a command, or the arguments of a call.
    // Allocated when the first is needed.
    Allocation parameter_blocks_;
    Allocation argument_tables_;  // the same, for calls with more arguments than a block holds
    ForkHook fork_hook_{after_fork, this};
};

struct QueueAccess {
    static Queue make(std::shared_ptr<QueueImpl> impl) { return Queue(std::move(impl)); }
    static QueueImpl& impl(const Queue& queue) {
        if (!queue.impl_) {
            throw_moved_from("Queue");
        }
        return *queue.impl_;
    }
};

}  // namespace accel::detail
