// SPDX-License-Identifier: Apache-2.0
//
// A queue of the driver: its handle, and the system calls that name it.
#pragma once

#include <accel_hw.h>
#include <accel_uapi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "accel/queue.hpp"
#include "deadline.hpp"
#include "device_impl.hpp"

namespace accel::detail {

/// Owns the handle and keeps the device open.
///
/// Thread-safety: the producer resets and destroys; any thread makes the other calls, which return
/// zero or an errno.
class DriverQueue {
  public:
    /// File offsets of the memory that the queue shares with the card.
    struct Offsets {
        std::uint64_t queue = 0;
        std::uint64_t queue_bytes = 0;
        std::uint64_t doorbell = 0;
    };

    DriverQueue(std::shared_ptr<DeviceImpl> device, const QueueOptions& options);
    DriverQueue(const DriverQueue&) = delete;
    DriverQueue& operator=(const DriverQueue&) = delete;
    DriverQueue(DriverQueue&&) = delete;
    DriverQueue& operator=(DriverQueue&&) = delete;
    ~DriverQueue() { destroy(); }

    [[nodiscard]] DeviceImpl& device() const noexcept { return *device_; }
    [[nodiscard]] const std::shared_ptr<DeviceImpl>& shared_device() const noexcept {
        return device_;
    }
    [[nodiscard]] std::uint32_t handle() const noexcept { return handle_; }
    [[nodiscard]] const Offsets& offsets() const noexcept { return offsets_; }
    /// Of the queue when it was created; zero: none, or unknown.
    [[nodiscard]] std::uint32_t time_limit_ms() const noexcept { return time_limit_ms_; }

    /// Marks a thread that is in, or about to enter, wait() or notify(). A waiter makes one, then
    /// checks that the jobs it waits for are not ended, then calls. reset() returns only when there
    /// is none, so that no thread waits for an old sequence number of the restarted queue.
    class CallGuard {
      public:
        explicit CallGuard(DriverQueue& queue) noexcept : queue_(queue) {
            queue_.calls_.fetch_add(1, std::memory_order_seq_cst);
        }
        CallGuard(const CallGuard&) = delete;
        CallGuard& operator=(const CallGuard&) = delete;
        CallGuard(CallGuard&&) = delete;
        CallGuard& operator=(CallGuard&&) = delete;
        ~CallGuard() { queue_.calls_.fetch_sub(1, std::memory_order_seq_cst); }

      private:
        DriverQueue& queue_;
    };

    /// Sleeps until the job is over or the deadline passed.
    [[nodiscard]] int wait(std::uint64_t sequence, Deadline deadline) const noexcept;

    /// Makes poll() on the device report `sequence`; zero: none.
    [[nodiscard]] int notify(std::uint64_t sequence) const noexcept;

    /// Abandons all commands and restarts sequence numbers. Repeats the reset until no CallGuard is
    /// left.
    [[nodiscard]] int reset() noexcept;

    /// Destroys the handle. A reset wakes the threads that still wait on it.
    void close() noexcept;

    /// Throws Error if the driver cannot answer.
    [[nodiscard]] accel_queue_query query() const;

    /// The failure that stopped the queue, if one did. Throws like query().
    [[nodiscard]] std::optional<CardFailure> failure() const;

    /// How long waits poll before they enter the kernel, in nanoseconds.
    std::atomic<std::int64_t> spin_ns;

  private:
    void destroy() noexcept;

    std::shared_ptr<DeviceImpl> device_;
    std::uint32_t handle_ = 0;
    bool open_ = false;
    Offsets offsets_;
    std::uint32_t time_limit_ms_ = 0;
    std::atomic<std::uint32_t> calls_{0};
};

/// The reason that follows from a status: the status page has none, nor does an older driver.
[[nodiscard]] Reason reason_of(CardStatus status) noexcept;

/// The query and the status page name the fields of their error block alike.
template <typename Block>
[[nodiscard]] CardFailure to_failure(const Block& block) {
    CardFailure failure;
    failure.status = static_cast<CardStatus>(block.error);
    failure.sequence = block.error_sequence;
    failure.address = block.error_address;
    if (block.error_list_index != ACCEL_NO_LIST_INDEX) {
        failure.list_index = block.error_list_index;
    }
    failure.opcode = block.error_opcode;
    failure.reason = reason_of(failure.status);
    return failure;
}

}  // namespace accel::detail
