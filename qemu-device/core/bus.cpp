// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Counting and charging of accesses to the host.
#include "bus.hpp"

#include "accel_timing.h"
#include "timing/timing_model.hpp"

namespace accel::card {

void Bus::charge_read(std::uint64_t address, std::size_t bytes) {
    counters_.traffic.host_read.add(bytes);
    if (timing_ != nullptr) {
        timing_->host_read(address, bytes);
    }
}

void Bus::charge_write(std::uint64_t address, std::size_t bytes) {
    counters_.traffic.host_written.add(bytes);
    if (timing_ != nullptr) {
        timing_->host_write(address, bytes);
    }
}

std::uint64_t Bus::clock() const {
    return timing_ != nullptr && timing_->timeline().current() != nullptr ? timing_->now()
                                                                          : embedder_.clock();
}

void Bus::interrupt(unsigned int vector) {
    counters_.interrupts.add(1);
    if (timing_ == nullptr) {
        embedder_.interrupt(vector);
        return;
    }
    timing_->timeline().at(timing_->now() + ACCEL_TIMING_LINK, [this, vector, resets = resets_] {
        if (resets == resets_) {
            embedder_.interrupt(vector);
        }
    });
}

}  // namespace accel::card
