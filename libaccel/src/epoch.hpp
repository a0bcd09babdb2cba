// SPDX-License-Identifier: Apache-2.0
//
// The life of a queue from its creation or a reset to the next reset or its end. Sequence numbers
// mean something within one epoch only, so a job holds its epoch, and the epoch, once it is over,
// remembers how far it came.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "accel/error.hpp"
#include "accel/job.hpp"
#include "notification.hpp"
#include "queue_impl.hpp"

namespace accel::detail {

/// CLOCK_MONOTONIC in nanoseconds, as the driver takes it.
using Deadline = std::int64_t;
inline constexpr Deadline no_deadline = std::numeric_limits<Deadline>::max();

[[nodiscard]] Deadline now() noexcept;
[[nodiscard]] Deadline deadline_after(std::chrono::nanoseconds timeout) noexcept;

class Epoch {
  public:
    enum class State : std::uint8_t { pending, done, failed };

    /// What sleeping in the kernel came to: `error` is zero, or an errno that is no answer about
    /// this one job (the card is gone, ...).
    struct Slept {
        State state = State::pending;
        int error = 0;
    };

    explicit Epoch(std::shared_ptr<QueueImpl> queue) noexcept : queue_(std::move(queue)) {}

    [[nodiscard]] QueueImpl& queue() const noexcept { return *queue_; }

    [[nodiscard]] const std::shared_ptr<QueueImpl>& shared_queue() const noexcept { return queue_; }

    /// From the status page; no system call.
    [[nodiscard]] State look(std::uint64_t sequence) const noexcept {
        const bool finished = queue_->completed() >= sequence;
        // The page may already tell of the next epoch. ended_ is set before that begins, and is
        // read after the page: if it is not set, what was read belongs to this one.
        return finished && !ended_.load(std::memory_order_acquire) ? State::done
                                                                   : look_closer(sequence);
    }

    /// Spins, sleeps, throws.
    WaitResult wait(std::uint64_t sequence, Deadline deadline);

    /// Sleeps until the job is over or the deadline passed; one in the past only looks.
    [[nodiscard]] Slept sleep(std::uint64_t sequence, Deadline deadline) noexcept;

    /// Has the user's own poll() report `sequence`; zero: none. Zero or an errno.
    [[nodiscard]] int set_user_interest(std::uint64_t sequence) noexcept;

    /// Has the driver notify for `sequence` too, along with what others want; zero or an errno.
    [[nodiscard]] int add_interest(std::uint64_t sequence);
    void remove_interest(std::uint64_t sequence) noexcept;

    [[nodiscard]] bool ended() const noexcept { return ended_.load(std::memory_order_seq_cst); }

    /// By the producer, once: the last word on the jobs of this epoch.
    void end(std::uint64_t completed, const std::optional<CardFailure>& failure) noexcept;

  private:
    [[nodiscard]] State look_closer(std::uint64_t sequence) const noexcept;
    [[nodiscard]] int notify(std::uint64_t sequence) noexcept;
    [[noreturn]] void throw_failure(std::uint64_t sequence) const;

    std::shared_ptr<QueueImpl> queue_;
    Interests interests_;

    // Written before ended_ is set, constant after.
    std::uint64_t completed_ = 0;
    std::optional<CardFailure> failure_;
    std::atomic<bool> ended_{false};
};

struct JobAccess {
    static Job make(std::shared_ptr<Epoch> epoch, std::uint64_t sequence) noexcept {
        return {std::move(epoch), sequence};
    }
    static const std::shared_ptr<Epoch>& epoch(const Job& job) noexcept { return job.epoch_; }
};

}  // namespace accel::detail
