// SPDX-License-Identifier: Apache-2.0
//
// A queue: the ring and status page shared with the card. What its jobs keep alive is
// resource.hpp's affair; the queue tells how far it has come.
//
// Who may do what. The producer (one thread at a time, the caller sees to it) stages, publishes,
// resets and closes. Any thread waits and reaps. Memory that the card shares is touched through
// fence.hpp only.
//
// Sequence numbers start again with a reset, positions do not: a position is base_ and a sequence.
#pragma once

#include <accel_hw.h>
#include <accel_uapi.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "accel/queue.hpp"
#include "command_access.hpp"
#include "device_impl.hpp"
#include "fence.hpp"
#include "list_impl.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

class Epoch;

class QueueImpl final : public Lane {
  public:
    /// A new queue in its first epoch.
    [[nodiscard]] static std::shared_ptr<Epoch> create(const std::shared_ptr<DeviceImpl>& device,
                                                       const QueueOptions& options);

    /// What follows `epoch` after a reset.
    [[nodiscard]] static std::shared_ptr<Epoch> next_epoch(const Epoch& epoch);

    QueueImpl(const std::shared_ptr<DeviceImpl>& device, const QueueOptions& options);
    QueueImpl(const QueueImpl&) = delete;
    QueueImpl& operator=(const QueueImpl&) = delete;
    QueueImpl(QueueImpl&&) = delete;
    QueueImpl& operator=(QueueImpl&&) = delete;
    ~QueueImpl();

    // ---- Producer ----

    /// The usual case of stage(), short enough to stand where it is called: a command that needs
    /// nothing but its slot. Zero if it is another case, and nothing is placed.
    [[nodiscard]] [[gnu::always_inline]] std::uint64_t stage_plain(
        bool ended, const Command& command) noexcept {
        const std::uint64_t sequence = staged_.load(std::memory_order_relaxed) + 1;
        if (ended || !CommandAccess::fits(command, device_.get()) ||
            CommandAccess::params_size(command) != 0 || !has_room(sequence)) [[unlikely]] {
            return 0;
        }
        std::memcpy(&ring_[slot(sequence)], CommandAccess::words(command).data(),
                    sizeof(accel_command));
        staged_.store(sequence, std::memory_order_relaxed);
        use_resources(command, sequence);
        return sequence;
    }

    /// Places a command behind what is staged; zero if the ring is full and `block` is not set,
    /// else its sequence. On an exception nothing is placed.
    [[nodiscard]] std::uint64_t stage(Epoch& epoch, const Command& command, bool block);
    [[nodiscard]] std::uint64_t stage(Epoch& epoch, const std::shared_ptr<ListImpl>& list,
                                      std::span<const Operand> arguments, bool block);

    /// Makes what is staged visible to the card, and rings if the card asks for it.
    [[gnu::always_inline]] void publish() noexcept {
        const std::uint64_t old_tail = published_.load(std::memory_order_relaxed);
        const std::uint64_t tail = staged_.load(std::memory_order_relaxed);
        // First for ourselves: no thread sees a job completed that was not published.
        published_.store(tail, std::memory_order_release);
        store_release(status_->tail, __le64{tail});
        // The card writes event_index and then reads tail. Of its write and our store one comes
        // first, and with this fence the other side sees it: either the card goes on, or we ring.
        full_fence();
        const std::uint64_t event_index = load_acquire(status_->event_index);
        if (tail - event_index - 1 < tail - old_tail) {
            ring();
        }
    }

    /// Takes back what is staged and not published.
    void withdraw() noexcept;

    void ring() noexcept;

    /// Ends `epoch`, abandons everything and starts the queue afresh.
    void reset(Epoch& epoch);

    /// Ends `epoch` and destroys the queue; its memory stays mapped for jobs that are still held.
    void close(Epoch& epoch) noexcept;

    [[nodiscard]] std::uint64_t published() const noexcept {
        return published_.load(std::memory_order_acquire);
    }
    [[nodiscard]] std::uint64_t staged() const noexcept {
        return staged_.load(std::memory_order_relaxed) - published();
    }
    [[nodiscard]] std::uint32_t entries() const noexcept { return entries_; }
    [[nodiscard]] std::uint64_t doorbells() const noexcept { return doorbells_; }

    /// Set while a Batch is open.
    bool batch_open = false;

    // ---- Any thread ----

    [[nodiscard]] std::uint64_t completed() const noexcept {
        return load_acquire(status_->completed);
    }
    [[nodiscard]] bool stopped() const noexcept;

    /// Lets go of what only finished jobs kept alive.
    void reap() noexcept {
        if (!limbo_.empty()) [[unlikely]] {
            release_finished();
        }
    }
    [[nodiscard]] bool keep(Resource* resource, Position position) noexcept override;

    [[nodiscard]] QueueStats stats() const;
    [[nodiscard]] std::optional<CardFailure> failure() const;

    /// The error block of the status page: for when the kernel cannot be asked.
    [[nodiscard]] CardFailure failure_in_page() const noexcept;

    [[nodiscard]] DeviceImpl& device() const noexcept { return *device_; }
    [[nodiscard]] std::uint32_t handle() const noexcept { return handle_.value(); }

    /// How many threads are in, or about to enter, a call that names the handle.
    std::atomic<std::uint32_t> in_kernel{0};

    std::atomic<std::int64_t> spin_ns;

  private:
    // The driver's handle; destroyed last but for the device.
    class Handle {
      public:
        Handle(DeviceImpl& device, std::uint32_t value) noexcept
            : device_(&device), value_(value) {}
        Handle(const Handle&) = delete;
        Handle& operator=(const Handle&) = delete;
        Handle(Handle&&) = delete;
        Handle& operator=(Handle&&) = delete;
        ~Handle() { destroy(); }
        void destroy() noexcept;
        [[nodiscard]] std::uint32_t value() const noexcept { return value_; }

      private:
        DeviceImpl* device_;
        std::uint32_t value_;
    };

    struct Created;
    QueueImpl(std::shared_ptr<DeviceImpl> device, const QueueOptions& options,
              const Created& created);
    static Created create_handle(const DeviceImpl& device, const QueueOptions& options);

    [[nodiscard]] std::size_t slot(std::uint64_t sequence) const noexcept {
        return (sequence - 1) & (entries_ - 1);
    }
    [[nodiscard]] bool has_room(std::uint64_t sequence) const noexcept {
        return sequence - finished_ <= entries_;
    }
    [[nodiscard]] bool make_room(Epoch& epoch, std::uint64_t sequence, bool block);
    [[gnu::always_inline]] void use_resources(const Command& command,
                                              std::uint64_t sequence) const noexcept {
        const Position position = base_.load(std::memory_order_relaxed) + sequence;
        const std::uint32_t lane = lane_;
        for (const void* const resource : CommandAccess::resources(command)) {
            static_cast<const Resource*>(resource)->use(lane, position);
        }
    }
    [[noreturn]] void refuse(const Epoch& epoch, const Command& command) const;
    [[nodiscard]] std::span<std::byte> block_of(std::uint64_t sequence, std::uint64_t* address);
    void check_open(const Epoch& epoch) const;
    void end(Epoch& epoch) noexcept;
    int restart() noexcept;
    [[nodiscard]] std::uint64_t finished() const noexcept;
    void release_finished() noexcept;
    void start_afresh() noexcept;
    void leave() noexcept;
    [[nodiscard]] accel_queue_query query() const;

    std::shared_ptr<DeviceImpl> device_;
    Handle handle_;
    std::uint32_t entries_;
    Mapping queue_mapping_;
    Mapping doorbell_mapping_;
    accel_queue_status* status_;
    accel_command* ring_;
    Allocation
        blocks_;  // one for each slot: parameters, or the arguments of a call; made when needed

    // Written by the producer.
    std::uint32_t lane_ = 0;
    std::uint64_t finished_ = 0;               // as last seen: slots up to here are free
    std::atomic<Position> base_{0};            // positions of this epoch begin behind it
    std::atomic<std::uint64_t> staged_{0};     // newest sequence placed in the ring
    std::atomic<std::uint64_t> published_{0};  // newest one the card may see
    std::uint64_t doorbells_ = 0;

    Limbo limbo_;
    bool joined_ = false;
};

struct QueueAccess {
    static Queue wrap(std::shared_ptr<Epoch> epoch) { return Queue(std::move(epoch)); }
    static const std::shared_ptr<Epoch>& epoch(const Queue& queue) {
        if (!queue.epoch_) {
            throw_moved_from("Queue");
        }
        return queue.epoch_;
    }
};

}  // namespace accel::detail
