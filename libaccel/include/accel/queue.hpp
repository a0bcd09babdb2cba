// SPDX-License-Identifier: Apache-2.0
//
// A queue of the card: submitting jobs without a system call.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

#include "accel/batch.hpp"
#include "accel/command.hpp"
#include "accel/command_list.hpp"
#include "accel/duration.hpp"
#include "accel/error.hpp"
#include "accel/job.hpp"
#include "accel/visibility.hpp"

namespace accel {

namespace detail {
class QueueImpl;
struct QueueAccess;
}  // namespace detail

/// The card's scheduler prefers queues of a higher priority. DeviceInfo::max_priority is the
/// highest that this user may choose.
enum class Priority : std::uint8_t { low = 0, normal = 1, high = 2, urgent = 3 };

/// How long a wait polls before it sleeps. Polling costs CPU time; sleeping costs a system call, an
/// interrupt and a wake-up.
inline constexpr std::chrono::nanoseconds default_spin = std::chrono::microseconds(20);
inline constexpr std::chrono::nanoseconds never_sleep = std::chrono::nanoseconds::max();

/// The longest timeout of Queue::uring_wait().
inline constexpr std::chrono::milliseconds max_uring_timeout = std::chrono::seconds(60);

struct QueueOptions {
    Priority priority = Priority::normal;
    std::uint32_t entries = 64;  ///< ring size in commands: a power of two
    Duration spin = default_spin;
    /// The longest device time of a command of the queue: the card ends a command that uses more,
    /// and the queue stops with CardStatus::time_limit. A call counts as one command. Zero: the
    /// limit of the card, DeviceInfo::time_limit, which is also the highest value. Rounded up to
    /// milliseconds.
    Duration time_limit = {};
};

/// Counters that the card keeps for a queue, since the queue was created.
struct QueueStats {
    std::uint64_t completed = 0;           ///< sequence number of the newest finished job
    std::uint64_t commands = 0;            ///< finished commands, including those in lists
    std::uint64_t doorbells = 0;           ///< doorbell writes that the card received
    std::uint64_t interrupts = 0;          ///< interrupts that the card raised
    std::uint64_t dma_busy_ticks = 0;      ///< device ticks that a DMA engine was busy
    std::uint64_t compute_busy_ticks = 0;  ///< device ticks that a compute engine was busy
    std::uint64_t host_bytes_read = 0;
    std::uint64_t host_bytes_written = 0;
    std::uint64_t device_bytes_read = 0;
    std::uint64_t device_bytes_written = 0;
};

/// The fields of an io_uring entry that waits for a job: opcode is IORING_OP_URING_CMD; fd and
/// cmd_op are these; `payload` is copied to cmd. The result of the entry is zero when the job is
/// over, or a negative errno (-ETIMEDOUT, -ECANCELED, ...). Job::wait() then reports how the job
/// ended.
struct UringWait {
    int fd = -1;
    std::uint32_t cmd_op = 0;
    std::array<std::byte, 16> payload{};
};

/// A hardware queue. Its commands run in order, one after the other, and concurrently with those of
/// other queues. The destructor cancels jobs that are not finished: they throw operation_canceled.
/// Call synchronize() first to let them finish. Move-only; keeps its device open.
///
/// Thread-safety: one producer. One thread at a time calls members of a Queue and its Batch; the
/// caller serializes. Meanwhile any thread may wait for jobs of the queue, also across reset() and
/// the destructor.
class ACCEL_API Queue {
  public:
    Queue(Queue&&) noexcept;
    Queue& operator=(Queue&&) noexcept;
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue();

    /// Submits a command. No system call; at most one doorbell write, and none while the card is
    /// busy. When the ring is full, this waits for room like Job::wait() and throws what that
    /// throws. Other errors: invalid_argument for a buffer of another device or an argument();
    /// device_or_resource_busy while a Batch is open; operation_canceled when a reset has failed.
    Job submit(const Command& command);

    /// Submits a call of a closed list: one 64-byte command, however long the list is. There must
    /// be list.arguments() arguments, each at least as large as the list needs.
    Job submit(const CommandList& list, std::initializer_list<Operand> arguments = {});
    Job submit(const CommandList& list, std::span<const Operand> arguments);

    /// Like submit(), but returns nothing and submits nothing when the ring is full.
    [[nodiscard]] std::optional<Job> try_submit(const Command& command);
    [[nodiscard]] std::optional<Job> try_submit(const CommandList& list,
                                                std::initializer_list<Operand> arguments = {});
    [[nodiscard]] std::optional<Job> try_submit(const CommandList& list,
                                                std::span<const Operand> arguments);

    /// Opens a batch: several commands, published together. One batch at a time.
    [[nodiscard]] Batch batch();

    /// Waits until all submitted jobs are finished; throws like Job::wait().
    void synchronize();

    /// Cancels jobs that are not finished and restarts the queue, also after an error. Sequence
    /// numbers restart at 1. Earlier jobs that were not finished throw the card's failure, or
    /// operation_canceled.
    void reset();

    /// Writes the doorbell although the card does not ask for it: the card then checks the
    /// semaphore that the queue waits for at once.
    void ring_doorbell();

    /// Makes poll() on Device::fd() report POLLIN when `job`, of this queue, is over. It reports
    /// nothing before that, and nothing after notify(Job()). Each call replaces the job of the call
    /// before. A report may be spurious: check Job::done().
    void notify(const Job& job);

    /// An io_uring entry that waits for `job`, of this queue, for at most max_uring_timeout. No
    /// system call.
    [[nodiscard]] UringWait uring_wait(const Job& job, Duration timeout = max_uring_timeout) const;

    /// How long waits for jobs of this queue poll before they sleep.
    void set_spin(Duration spin);
    [[nodiscard]] std::chrono::nanoseconds spin() const;

    /// Ring size in commands.
    [[nodiscard]] std::uint32_t entries() const;

    /// Identifies the queue among those of its device. The id of a destroyed queue may be reused.
    [[nodiscard]] std::uint32_t id() const;

    /// Number of submitted commands that are not finished. No system call.
    [[nodiscard]] std::uint32_t pending() const;

    /// Number of doorbell writes by this object; the card's own count is in stats().
    [[nodiscard]] std::uint64_t doorbells() const;

    /// The card's counters. A system call that waits for the card.
    [[nodiscard]] QueueStats stats() const;

    /// The failure that stopped the queue, if one did. A system call.
    [[nodiscard]] std::optional<CardFailure> failure() const;

  private:
    friend struct detail::QueueAccess;
    explicit Queue(std::shared_ptr<detail::QueueImpl> impl) noexcept;
    [[gnu::noinline]] Job submit_slow(const Command& command);
    void close() noexcept;
    std::shared_ptr<detail::QueueImpl> impl_;
};

}  // namespace accel
