// SPDX-License-Identifier: Apache-2.0
//
// The real core of the card on the fake bus, and the lowest part of a driver: admin commands,
// events and interrupts.
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

#include "fake_bus.hpp"
#include "hosted_core.hpp"

namespace accel::fake {

struct CardOptions {
    std::uint64_t memory = 16 << 20;
    std::uint64_t serial = 0x1122334455667788;
    std::uint32_t queues = 8;
    std::uint32_t contexts = 4;
    std::uint32_t vectors = 4;
    std::uint32_t ring_entries = 256;
};

class Card final : test::CoreHost {
  public:
    Card(Bus& bus, const CardOptions& options);

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned bytes) {
        return core_.read(offset, bytes);
    }
    void doorbell(std::uint32_t queue, std::uint32_t value) { core_.doorbell(queue, value); }
    [[nodiscard]] std::byte* memory() { return reinterpret_cast<std::byte*>(memory_.data()); }

    /// Executes one admin command and waits for its result. One thread at a time calls this.
    [[nodiscard]] accel_status admin(const accel_admin_command& command) {
        return core_.admin(command);
    }

    /// The next event that was not taken yet. One thread at a time calls this.
    [[nodiscard]] std::optional<accel_event> take_event() { return core_.take_event(); }

    /// A soft reset; afterwards the card is enabled and has no contexts.
    void reset();

    /// The number of interrupts so far.
    [[nodiscard]] std::uint64_t interrupts();

    /// Sleeps until interrupts() is no longer `seen`, wake() is called, or the deadline passed.
    void sleep(std::uint64_t seen, std::chrono::steady_clock::time_point deadline);
    void wake();

    /// While set, interrupts of the card are lost.
    std::atomic<bool> lose_interrupts{false};

  private:
    [[nodiscard]] test::BusMemory& bus() override { return bus_; }
    void interrupt(unsigned vector) override;
    [[nodiscard]] std::uint64_t clock() override;
    void enable();

    Bus& bus_;
    std::vector<std::uint8_t> memory_;
    std::shared_ptr<std::byte> admin_ring_;
    std::shared_ptr<std::byte> admin_results_;
    std::shared_ptr<std::byte> event_ring_;
    std::mutex interrupt_mutex_;
    std::condition_variable interrupt_;
    std::uint64_t interrupts_ = 0;
    test::HostedCore core_;  // destroyed first: its threads use the members above
};

}  // namespace accel::fake
