// SPDX-License-Identifier: Apache-2.0
//
// Is the card in order, and is everything free that should be? Asked after every test that
// broke something.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>

#include "bench.hpp"

namespace bench {

/// A new file gets memory and a queue, data make the round through both memories, and a product is
/// right. Throws if not.
void expect_healthy();

/// What a card has left, found by taking all of it: contexts and queues, and free device memory.
struct Capacity {
    std::uint32_t contexts;
    std::uint32_t queues;
    std::uint64_t memory;

    [[nodiscard]] static Capacity measure();
    bool operator==(const Capacity&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Capacity& capacity);

}  // namespace bench
