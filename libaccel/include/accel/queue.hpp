// SPDX-License-Identifier: Apache-2.0
//
// A queue of the card: submitting without a system call.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

#include "accel/command.hpp"
#include "accel/command_list.hpp"
#include "accel/error.hpp"
#include "accel/job.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class Epoch;
struct QueueAccess;
}  // namespace detail

enum class Priority : std::uint8_t { low = 0, normal = 1, high = 2, urgent = 3 };

/// How long a wait polls before it sleeps. Polling costs CPU time, sleeping a system call, an
/// interrupt and a wake-up.
inline constexpr std::chrono::nanoseconds default_spin = std::chrono::microseconds(20);
inline constexpr std::chrono::nanoseconds never_sleep = std::chrono::nanoseconds::max();

/// How long one entry of io_uring may wait.
inline constexpr std::chrono::milliseconds max_uring_timeout = std::chrono::seconds(60);

struct QueueOptions {
    Priority priority = Priority::normal;
    std::uint32_t entries = 64;  ///< length of the ring: a power of two
    std::chrono::nanoseconds spin = default_spin;
};

/// Counters of the card for one queue, since it was made.
struct QueueStats {
    std::uint64_t completed = 0;   ///< newest sequence that is finished
    std::uint64_t commands = 0;    ///< finished commands, those in lists too
    std::uint64_t doorbells = 0;   ///< doorbell writes the card saw
    std::uint64_t interrupts = 0;  ///< interrupts the card raised
    std::uint64_t dma_busy = 0;    ///< device ticks
    std::uint64_t compute_busy = 0;
    std::uint64_t host_read = 0;  ///< bytes
    std::uint64_t host_written = 0;
    std::uint64_t memory_read = 0;
    std::uint64_t memory_written = 0;
};

/// What an entry of io_uring needs to wait for a job: set opcode to IORING_OP_URING_CMD, fd and
/// cmd_op to these, and copy the payload to `cmd`. The entry's result is zero when the job is over,
/// or a negative errno: -ETIMEDOUT, -ECANCELED, ...; Job::wait() tells what became of the job.
struct UringWait {
    int fd = -1;
    std::uint32_t operation = 0;
    std::array<std::byte, 16> payload{};
};

class Batch;

/// A queue: its commands run in order, one after the other, and concurrently with other queues.
/// Destroying it cancels what is not finished: such jobs throw operation_canceled. Call
/// synchronize() first to let them finish. Move-only; keeps its device open.
///
/// Thread-safety: single producer - one thread at a time calls members of Queue and its Batch; the
/// caller serialises. Jobs of the queue may be waited for in any thread meanwhile, also across
/// reset() and the destructor.
class ACCEL_API Queue {
  public:
    Queue(Queue&&) noexcept;
    Queue& operator=(Queue&&) noexcept;
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue();

    /// Places one command in the ring. No system call; at most one doorbell write, none while the
    /// card is busy. When the ring is full it waits for room as Job::wait() does, and throws as it.
    Job submit(const Command& command);

    /// A call of a recorded list: one 64-byte command, whatever the list does.
    Job submit(const CommandList& list, std::initializer_list<Operand> arguments = {});
    Job submit(const CommandList& list, std::span<const Operand> arguments);

    /// The same, but nothing happens and nothing is returned when the ring is full.
    [[nodiscard]] std::optional<Job> try_submit(const Command& command);
    [[nodiscard]] std::optional<Job> try_submit(const CommandList& list,
                                                std::initializer_list<Operand> arguments = {});
    [[nodiscard]] std::optional<Job> try_submit(const CommandList& list,
                                                std::span<const Operand> arguments);

    /// Several commands, published together with one doorbell at most. One batch at a time.
    [[nodiscard]] Batch batch();

    /// Waits until all that was submitted is finished; throws as Job::wait().
    void synchronize();

    /// Abandons what is not finished and starts afresh, also after an error. Sequence numbers start
    /// at 1 again. Jobs from before that were not finished throw what failed, or
    /// operation_canceled.
    void reset();

    /// Rings the doorbell even if the card needs none: it makes a Wait look at its word at once.
    void ring_doorbell();

    /// From now on poll() on Device::fd() reports POLLIN when `job`, of this queue, is over; until
    /// then, and after notify(Job()), it does not. One job a queue; the last one counts. A report
    /// may be spurious: look at Job::done().
    void notify(const Job& job);

    /// For waiting for `job`, of this queue, on a ring of io_uring; at most 60 s. No system call.
    [[nodiscard]] UringWait uring_wait(const Job& job,
                                       std::chrono::milliseconds timeout = max_uring_timeout) const;

    /// How long waits for jobs of this queue poll before they sleep.
    void set_spin(std::chrono::nanoseconds spin);
    [[nodiscard]] std::chrono::nanoseconds spin() const;
    [[nodiscard]] std::uint32_t entries() const;

    /// Names the queue among those of its device. The number of a queue that is gone may come
    /// again.
    [[nodiscard]] std::uint32_t id() const;

    /// How many submitted commands are not finished. No system call.
    [[nodiscard]] std::uint32_t pending() const;

    /// Doorbell writes this object made; the card's own count is in stats().
    [[nodiscard]] std::uint64_t doorbells() const;

    /// The card's counters. A system call and an exchange with the card.
    [[nodiscard]] QueueStats stats() const;

    /// What the queue stopped at, if it did. A system call.
    [[nodiscard]] std::optional<CardFailure> failure() const;

  private:
    friend struct detail::QueueAccess;
    explicit Queue(std::shared_ptr<detail::Epoch> epoch) noexcept;
    [[gnu::noinline]] Job submit_other(const Command& command);
    void close() noexcept;
    std::shared_ptr<detail::Epoch> epoch_;
};

/// Commands that are placed in the ring but not published. Destroyed without submit() it takes them
/// back, so an exception half-way leaves nothing behind. Not longer than the ring. Its queue takes
/// no other submission while a batch is open. Move-only; serialised with its queue.
class ACCEL_API Batch {
  public:
    Batch(Batch&&) noexcept;
    Batch& operator=(Batch&&) = delete;
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch();

    /// Waits for room as Queue::submit() does; throws invalid_argument beyond the ring's length.
    Batch& add(const Command& command);
    Batch& add(const CommandList& list, std::initializer_list<Operand> arguments = {});
    Batch& add(const CommandList& list, std::span<const Operand> arguments);

    [[nodiscard]] std::size_t size() const;

    /// Publishes all of them; the job is the last one. The batch is then closed.
    Job submit();

  private:
    friend class Queue;
    explicit Batch(std::shared_ptr<detail::Epoch> epoch) noexcept;
    [[gnu::noinline]] Batch& add_other(const Command& command);
    std::shared_ptr<detail::Epoch> epoch_;
};

}  // namespace accel
