// SPDX-License-Identifier: Apache-2.0
//
// A core of the card on the bus of this process, and the lowest part of its driver: admin commands,
// events and interrupts.
//
// Locks: the machine's lock, then the lock of the signals, then the core's. The card's threads call
// interrupt(), which takes the last two; so a holder of these never waits for the card.
#pragma once

#include <accel_hw.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "bus.hpp"
#include "hosted_core.hpp"
#include "memory.hpp"
#include "queue_state.hpp"
#include "virtual_clock.hpp"

namespace accel::emulated {

struct CardOptions {
    std::uint64_t memory = std::uint64_t{256} << 20;
    std::uint64_t serial = 1;
    std::uint32_t queues = 64;
    std::uint32_t contexts = 64;
    std::uint32_t vectors = 4;
    std::uint32_t ring_entries = 65536;
    bool timing_model = false;
    std::uint32_t threads = 0;  ///< that compute a command together; 0: one for each core
};

class Card final : CoreHost {
  public:
    using Clock = std::chrono::steady_clock;

    /// Throws std::runtime_error if the card cannot be made.
    Card(Bus& bus, const CardOptions& options);
    Card(const Card&) = delete;
    Card& operator=(const Card&) = delete;
    Card(Card&&) = delete;
    Card& operator=(Card&&) = delete;
    ~Card();

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned bytes) {
        return core_->read(offset, bytes);
    }
    void doorbell(std::uint32_t queue, std::uint32_t value) { core_->doorbell(queue, value); }
    [[nodiscard]] DeviceMemory& memory() noexcept { return *memory_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

    /// Executes an admin command and waits for the interrupt of its end. One thread at a time.
    [[nodiscard]] accel_status admin(const accel_admin_command& command);

    /// Starts and ends that interrupts concern a queue.
    void attach(const std::shared_ptr<QueueState>& queue);
    void detach(const QueueState& queue);
    [[nodiscard]] bool attached(std::uint32_t id);

    /// Sleeps until the command is finished or never will be, or the deadline passed. Returns zero
    /// or an errno.
    [[nodiscard]] int wait(QueueState& queue, std::uint64_t sequence, std::uint32_t epoch,
                           Clock::time_point deadline);

    /// Calls `change` under the lock of the signals, then wakes what it concerns.
    template <typename Change>
    void change(Change&& change) {
        const std::lock_guard lock(mutex_);
        change();
        update();
    }
    /// Reads under the lock of the signals, after all events were taken.
    template <typename Read>
    [[nodiscard]] auto look(Read&& read) {
        const std::lock_guard lock(mutex_);
        take_events();
        return read();
    }

    /// Resets the card; afterwards it is enabled and has no contexts. Files that it had must have
    /// ended.
    void reset();

    /// While set, interrupts for queues are lost, as on a machine with a defect.
    std::atomic<bool> lose_interrupts{false};

  private:
    [[nodiscard]] BusMemory& bus() override { return bus_; }
    void interrupt(unsigned vector) override;
    [[nodiscard]] std::uint64_t clock() override;
    void set_deadline(std::uint64_t deadline) override { clock_.set_deadline(deadline); }
    void thread_enter() override;
    void enable();

    // Under mutex_.
    void take_events();
    void update();

    Bus& bus_;
    const bool timing_model_;
    std::shared_ptr<DeviceMemory> memory_;
    SharedPages rings_;
    VirtualClock clock_;
    std::atomic<std::uint64_t> generation_{0};

    std::mutex mutex_;  // of the signals: protects what follows, and all QueueState and FileState
    std::condition_variable interrupted_;
    std::uint64_t interrupts_ = 0;
    std::vector<std::shared_ptr<QueueState>> queues_;

    std::atomic<bool> pending_{false};  // timing model: interrupts of this tick
    std::unique_ptr<HostedCore> core_;  // destroyed first: its threads use the members above
};

}  // namespace accel::emulated
