// SPDX-License-Identifier: GPL-2.0
//
// The card's side of PCI Express: the embedder's callbacks, counted, and charged if the card has a
// timing model. Called by the card's own threads alone, except for clock() and timer().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "accel_core.h"
#include "counters.hpp"

namespace accel::card {

class Timing;

class Bus {
  public:
    Bus(const accel_core_callbacks& callbacks, void* opaque, Counters& counters)
        : callbacks_(callbacks), opaque_(opaque), counters_(counters) {}

    // Before anything is charged. Null: everything takes the time it takes.
    void set_timing(Timing* timing) { timing_ = timing; }
    [[nodiscard]] Timing* timing() const { return timing_; }

    [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t bytes) {
        charge_read(address, bytes);
        return callbacks_.read(opaque_, address, to, bytes);
    }
    [[nodiscard]] bool write(std::uint64_t address, const void* from, std::size_t bytes) {
        charge_write(address, bytes);
        return callbacks_.write(opaque_, address, from, bytes);
    }
    [[nodiscard]] bool read_word(std::uint64_t address, std::uint64_t& value) {
        charge_read(address, sizeof value);
        return callbacks_.read64(opaque_, address, &value);
    }
    [[nodiscard]] bool write_word(std::uint64_t address, std::uint64_t value) {
        charge_write(address, sizeof value);
        return callbacks_.write64(opaque_, address, value);
    }
    // Behind what was written before.
    void interrupt(unsigned int vector);
    // A reset: interrupts that are under way do not arrive.
    void forget_interrupts() { ++resets_; }
    [[nodiscard]] std::uint64_t resets() const { return resets_; }
    void guest_error(const std::string& text) {
        callbacks_.log(opaque_, ACCEL_LOG_GUEST_ERROR, text.c_str());
    }
    // Device ticks: nanoseconds. In a fiber of the card, of its lane.
    [[nodiscard]] std::uint64_t clock() const;
    [[nodiscard]] std::uint64_t embedder_clock() const { return callbacks_.clock(opaque_); }
    void timer(std::uint64_t deadline) { callbacks_.timer(opaque_, deadline); }

    void thread_enter() {
        if (callbacks_.thread_enter != nullptr) {
            callbacks_.thread_enter(opaque_);
        }
    }
    void thread_leave() {
        if (callbacks_.thread_leave != nullptr) {
            callbacks_.thread_leave(opaque_);
        }
    }

  private:
    void charge_read(std::uint64_t address, std::size_t bytes);
    void charge_write(std::uint64_t address, std::size_t bytes);

    accel_core_callbacks callbacks_;
    void* opaque_;
    Counters& counters_;
    Timing* timing_ = nullptr;
    std::uint64_t resets_ = 0;
};

}  // namespace accel::card
