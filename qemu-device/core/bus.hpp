// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The card's side of PCI Express: DMA and interrupts, counted, and charged when the card has a
// timing model. Only the card's own threads call it, except for clock(), which any thread may call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "counters.hpp"
#include "embedder.hpp"

namespace accel::card {

class TimingModel;

class Bus {
  public:
    // `timing`: null without a timing model; every access then costs the host's own time only.
    Bus(const Embedder& embedder, Counters& counters, TimingModel* timing)
        : embedder_(embedder), counters_(counters), timing_(timing) {}

    [[nodiscard]] TimingModel* timing() const { return timing_; }

    [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t bytes) {
        charge_read(address, bytes);
        return embedder_.read(address, to, bytes);
    }
    [[nodiscard]] bool write(std::uint64_t address, const void* from, std::size_t bytes) {
        charge_write(address, bytes);
        return embedder_.write(address, from, bytes);
    }
    [[nodiscard]] bool read_word(std::uint64_t address, std::uint64_t& value) {
        charge_read(address, sizeof value);
        return embedder_.read_word(address, value);
    }
    [[nodiscard]] bool write_word(std::uint64_t address, std::uint64_t value) {
        charge_write(address, sizeof value);
        return embedder_.write_word(address, value);
    }
    // Sends the interrupt behind all earlier writes.
    void interrupt(unsigned int vector);
    // For a reset: interrupts that are still on their way do not arrive.
    void drop_interrupts() { ++resets_; }
    [[nodiscard]] std::uint64_t resets() const { return resets_; }
    // A number that no context of the card had for its translations.
    [[nodiscard]] std::uint64_t next_epoch() { return ++epochs_; }
    void guest_error(const std::string& text) { embedder_.guest_error(text); }
    // Device ticks (nanoseconds). In a fiber of the card, the local time of its task.
    [[nodiscard]] std::uint64_t clock() const;
    // The same, without the local time of a task.
    [[nodiscard]] std::uint64_t embedder_clock() const { return embedder_.clock(); }

  private:
    void charge_read(std::uint64_t address, std::size_t bytes);
    void charge_write(std::uint64_t address, std::size_t bytes);

    const Embedder& embedder_;
    Counters& counters_;
    TimingModel* const timing_;
    std::uint64_t resets_ = 0;
    std::atomic<std::uint64_t> epochs_{0};
};

}  // namespace accel::card
