// SPDX-License-Identifier: Apache-2.0
//
// The memory that a queue shares with the card: the ring of commands, the status page and the
// doorbell; and the objects that its unfinished jobs keep alive.
//
// Threads. One producer (the caller serializes) writes, publishes, restarts and closes. Any thread
// reads the progress and releases retired objects. Shared memory is accessed only through
// fence.hpp.
//
// Sequence numbers restart with a reset of the queue, positions do not: a position is base_ plus a
// sequence number.
#pragma once

#include <accel_hw.h>
#include <accel_uapi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "accel/queue.hpp"
#include "driver_queue.hpp"
#include "fence.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

/// Its owners are the Queue, and every Job of it: the status page stays mapped for them. In a child
/// a private page takes its place.
class QueueRing final : public SlotOwner {
  public:
    QueueRing(std::shared_ptr<DeviceImpl> device, const QueueOptions& options);
    QueueRing(const QueueRing&) = delete;
    QueueRing& operator=(const QueueRing&) = delete;
    QueueRing(QueueRing&&) = delete;
    QueueRing& operator=(QueueRing&&) = delete;
    ~QueueRing() { release_slot(); }

    // ---- Producer ----

    /// The sequence number of the next command to write.
    [[nodiscard]] std::uint64_t next() const noexcept {
        return written_.load(std::memory_order_relaxed) + 1;
    }

    /// Whether there is a free entry for `sequence`, as far as the producer knows.
    [[nodiscard]] bool has_room(std::uint64_t sequence) const noexcept {
        return sequence - free_before_ <= entries_;
    }
    /// Reads the card's progress, for has_room().
    void update_room() noexcept { free_before_ = finished(); }

    [[nodiscard]] std::size_t entry(std::uint64_t sequence) const noexcept {
        return (sequence - 1) & (entries_ - 1);
    }

    /// Copies a command into its entry of the ring. The card does not see it before publish().
    [[gnu::always_inline]] void write(std::uint64_t sequence, const void* command) noexcept {
        std::memcpy(&ring_[entry(sequence)], command, sizeof(accel_command));
        written_.store(sequence, std::memory_order_relaxed);
    }

    /// The use of objects by the job `sequence`. Read it once for all objects: the compiler cannot
    /// know that TrackedObject::mark_used() leaves the ring unchanged.
    [[nodiscard]] TrackedUse use_of(std::uint64_t sequence) const noexcept {
        return {.slot = slot_, .position = base_.load(std::memory_order_relaxed) + sequence};
    }

    /// Makes all written commands visible to the card, and rings the doorbell if the card asks for
    /// it.
    [[gnu::always_inline]] void publish() noexcept {
        const std::uint64_t old_tail = published_.load(std::memory_order_relaxed);
        const std::uint64_t tail = written_.load(std::memory_order_relaxed);
        // Stored before the card's tail: no thread sees a completion of an unpublished job.
        published_.store(tail, std::memory_order_release);
        store_release(status_->tail, __le64{tail});
        // The card writes event_index, then reads tail. The fence orders our store before our load.
        // So either the card sees our tail and continues, or we see its event_index and ring.
        full_fence();
        const std::uint64_t event_index = load_acquire(status_->event_index);
        if (tail - event_index - 1 < tail - old_tail) {
            ring_doorbell();
        }
    }

    void ring_doorbell() noexcept;

    /// Takes back all commands that are written and not published.
    void withdraw() noexcept;

    /// Number of commands that are written and not published.
    [[nodiscard]] std::uint64_t unpublished() const noexcept {
        return written_.load(std::memory_order_relaxed) - published();
    }
    [[nodiscard]] std::uint64_t doorbells() const noexcept { return doorbells_; }

    /// Restarts sequence numbers, after the driver has reset or destroyed the queue: the card
    /// accesses nothing that earlier jobs used.
    void restart() noexcept;

    /// Destroys the driver's queue and gives up the slot. The memory stays mapped.
    void close() noexcept;

    // ---- Any thread ----

    /// Sequence number of the newest job that the card may see.
    [[nodiscard]] std::uint64_t published() const noexcept {
        return published_.load(std::memory_order_acquire);
    }
    /// Sequence number of the newest job that the card has completed.
    [[nodiscard]] std::uint64_t completed() const noexcept {
        return load_acquire(status_->completed);
    }
    /// Whether the queue stopped at a failure.
    [[nodiscard]] bool stopped() const noexcept {
        return load_acquire(status_->state) == ACCEL_QUEUE_ERROR;
    }
    /// The failure as the status page has it: for when the driver cannot be asked.
    [[nodiscard]] CardFailure failure_in_status_page() const noexcept;

    /// Destroys retired objects that only finished jobs used. In a child, they are kept forever.
    void reap() noexcept {
        if (!retired_.empty() && !device().in_child()) [[unlikely]] {
            reap_retired();
        }
    }
    [[nodiscard]] bool keep(TrackedObject* object, Position position) noexcept override;

    [[nodiscard]] std::uint32_t entries() const noexcept { return entries_; }
    [[nodiscard]] DriverQueue& driver_queue() noexcept { return driver_queue_; }
    [[nodiscard]] DeviceImpl& device() const noexcept { return driver_queue_.device(); }

  private:
    static void after_fork(void* ring) noexcept;
    [[nodiscard]] std::uint64_t finished() const noexcept;
    void reap_retired() noexcept;
    void release_slot() noexcept;

    DriverQueue driver_queue_;  // destroyed last
    std::uint32_t entries_;
    Mapping queue_mapping_;
    Mapping doorbell_mapping_;
    accel_queue_status* status_;
    accel_command* ring_;

    // Written by the producer.
    std::uint32_t slot_ = 0;
    std::uint64_t free_before_ = 0;            // finished(), as the producer last read it
    std::atomic<Position> base_{0};            // positions since the last restart are above it
    std::atomic<std::uint64_t> written_{0};    // newest sequence number in the ring
    std::atomic<std::uint64_t> published_{0};  // newest one that the card may see
    std::uint64_t doorbells_ = 0;
    bool has_slot_ = false;

    RetireList retired_;
    ForkHook fork_hook_{after_fork, this};
};

}  // namespace accel::detail
