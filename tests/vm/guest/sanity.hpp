// SPDX-License-Identifier: Apache-2.0
//
// Checks after a test that broke something: the card works, and all of its resources are free.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>

#include "uapi.hpp"

namespace uapi {

/// Throws unless a new file gets memory and a queue, copies through both memories keep the data,
/// and a matrix product is right.
void expect_working_card();

/// The free resources of a card. Contexts and queues are counted by allocating all of them.
struct Capacity {
    std::uint32_t contexts;
    std::uint32_t queues;
    std::uint64_t memory;

    [[nodiscard]] static Capacity measure();
    bool operator==(const Capacity&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Capacity& capacity);

}  // namespace uapi
