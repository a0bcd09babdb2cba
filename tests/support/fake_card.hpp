// SPDX-License-Identifier: Apache-2.0
//
// The real card core on the fake bus, and the little of a driver that talks to its registers: admin
// commands, events, interrupts.
#pragma once

#include <accel_core.h>
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

namespace accel::fake {

struct CardOptions {
    std::uint64_t memory = 16 << 20;
    std::uint64_t serial = 0x1122334455667788;
    std::uint32_t queues = 8;
    std::uint32_t contexts = 4;
    std::uint32_t vectors = 4;
    std::uint32_t ring_entries = 256;
};

class Card {
  public:
    Card(Bus& bus, const CardOptions& options);
    ~Card();
    Card(const Card&) = delete;
    Card& operator=(const Card&) = delete;
    Card(Card&&) = delete;
    Card& operator=(Card&&) = delete;

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned bytes);
    void write(std::uint64_t offset, std::uint64_t value, unsigned bytes);
    void doorbell(std::uint32_t queue, std::uint32_t value);
    [[nodiscard]] std::byte* memory() { return reinterpret_cast<std::byte*>(memory_.data()); }

    /// One admin command to its end. Not from two threads at once.
    [[nodiscard]] accel_status admin(const accel_admin_command& command);

    /// The next event that was not taken yet. Not from two threads at once.
    [[nodiscard]] std::optional<accel_event> take_event();

    /// A soft reset, and a card that is enabled and empty after it.
    void reset();

    /// Goes up by each interrupt.
    [[nodiscard]] std::uint64_t interrupts();

    /// Sleeps until interrupts() is no longer `seen`, wake() is called, or the deadline passed.
    void sleep(std::uint64_t seen, std::chrono::steady_clock::time_point deadline);
    void wake();

    /// Between an interrupt of the card and its arrival, while set: nothing arrives.
    std::atomic<bool> lose_interrupts{false};

  private:
    void enable();

    Bus& bus_;
    CardOptions options_;
    std::vector<std::uint8_t> memory_;
    std::mutex core_mutex_;  // the core takes one call at a time
    std::shared_ptr<std::byte> admin_ring_;
    std::shared_ptr<std::byte> admin_results_;
    std::shared_ptr<std::byte> event_ring_;
    std::uint64_t admin_tail_ = 0;
    std::uint64_t events_ = 0;
    std::mutex interrupt_mutex_;
    std::condition_variable interrupt_;
    std::uint64_t interrupts_ = 0;
    accel_core* core_ = nullptr;
};

}  // namespace accel::fake
