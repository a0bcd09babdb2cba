// SPDX-License-Identifier: Apache-2.0
//
// The rules of the data sheet that every driver of a card follows: how it enables a card, and when
// it rings a doorbell.
#pragma once

#include <cstdint>

#include "accel_hw.h"

namespace accel::emulated {

// Bus addresses and lengths of the rings between a driver and a card. All memory is zeroed.
struct AdminRings {
    std::uint64_t admin_ring = 0;
    std::uint64_t admin_results = 0;
    std::uint64_t event_ring = 0;
    std::uint32_t admin_entries = 16;
    std::uint32_t event_entries = 64;
};

// Gives the rings to a card that is READY, and enables it. `Registers` has write32() and write64().
template <typename Registers>
void enable_card(Registers& registers, const AdminRings& rings) {
    registers.write64(ACCEL_REG_ADMIN_RING, rings.admin_ring);
    registers.write64(ACCEL_REG_ADMIN_RESULTS, rings.admin_results);
    registers.write32(ACCEL_REG_ADMIN_ENTRIES, rings.admin_entries);
    registers.write64(ACCEL_REG_EVENT_RING, rings.event_ring);
    registers.write32(ACCEL_REG_EVENT_ENTRIES, rings.event_entries);
    registers.write32(ACCEL_REG_CONTROL, ACCEL_CONTROL_ENABLE);
}

// Whether the card asks for a doorbell after `tail` was published, given the tail that the last
// doorbell wrote (or the one before the new commands). Read the event index after a full fence.
[[nodiscard]] constexpr bool needs_doorbell(std::uint64_t tail, std::uint64_t before,
                                            std::uint64_t event_index) {
    return tail - event_index - 1 < tail - before;
}

}  // namespace accel::emulated
