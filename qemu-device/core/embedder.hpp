// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The program that embeds the card (the QEMU glue, a test): its callbacks, bound to its opaque
// pointer. Nothing is counted or charged here; Bus does that for the card's traffic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "accel_core.h"

namespace accel::card {

class Embedder {
  public:
    Embedder(const accel_core_callbacks& callbacks, void* opaque)
        : callbacks_(callbacks), opaque_(opaque) {}

    [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t bytes) const {
        return callbacks_.read(opaque_, address, to, bytes);
    }
    [[nodiscard]] bool write(std::uint64_t address, const void* from, std::size_t bytes) const {
        return callbacks_.write(opaque_, address, from, bytes);
    }
    [[nodiscard]] bool read_word(std::uint64_t address, std::uint64_t& value) const {
        return callbacks_.read64(opaque_, address, &value);
    }
    [[nodiscard]] bool write_word(std::uint64_t address, std::uint64_t value) const {
        return callbacks_.write64(opaque_, address, value);
    }
    void interrupt(unsigned int vector) const { callbacks_.interrupt(opaque_, vector); }
    void guest_error(const std::string& text) const {
        callbacks_.log(opaque_, ACCEL_LOG_GUEST_ERROR, text.c_str());
    }
    // Nanoseconds.
    [[nodiscard]] std::uint64_t clock() const { return callbacks_.clock(opaque_); }
    void timer(std::uint64_t deadline) const { callbacks_.timer(opaque_, deadline); }

    void thread_enter() const {
        if (callbacks_.thread_enter != nullptr) {
            callbacks_.thread_enter(opaque_);
        }
    }
    void thread_leave() const {
        if (callbacks_.thread_leave != nullptr) {
            callbacks_.thread_leave(opaque_);
        }
    }

  private:
    accel_core_callbacks callbacks_;
    void* opaque_;
};

}  // namespace accel::card
