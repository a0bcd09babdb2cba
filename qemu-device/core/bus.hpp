// SPDX-License-Identifier: GPL-2.0
//
// The card's side of PCI Express: the embedder's callbacks, counted. Called by the card's own
// threads alone, except for clock().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "accel_core.h"
#include "counters.hpp"

namespace accel::card {

class Bus {
  public:
    Bus(const accel_core_callbacks& callbacks, void* opaque, Counters& counters)
        : callbacks_(callbacks), opaque_(opaque), counters_(counters) {}

    [[nodiscard]] bool read(uint64_t address, void* to, size_t bytes) {
        counters_.traffic.host_read.add(bytes);
        return callbacks_.read(opaque_, address, to, bytes);
    }
    [[nodiscard]] bool write(uint64_t address, const void* from, size_t bytes) {
        counters_.traffic.host_written.add(bytes);
        return callbacks_.write(opaque_, address, from, bytes);
    }
    [[nodiscard]] bool read_word(uint64_t address, uint64_t& value) {
        counters_.traffic.host_read.add(sizeof value);
        return callbacks_.read64(opaque_, address, &value);
    }
    [[nodiscard]] bool write_word(uint64_t address, uint64_t value) {
        counters_.traffic.host_written.add(sizeof value);
        return callbacks_.write64(opaque_, address, value);
    }
    void interrupt(unsigned int vector) {
        counters_.interrupts.add(1);
        callbacks_.interrupt(opaque_, vector);
    }
    void guest_error(const std::string& text) {
        callbacks_.log(opaque_, ACCEL_LOG_GUEST_ERROR, text.c_str());
    }
    // Device ticks: nanoseconds.
    [[nodiscard]] uint64_t clock() const { return callbacks_.clock(opaque_); }

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
    accel_core_callbacks callbacks_;
    void* opaque_;
    Counters& counters_;
};

}  // namespace accel::card
