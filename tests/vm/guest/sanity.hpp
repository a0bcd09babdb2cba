// SPDX-License-Identifier: Apache-2.0
//
// Checks after a test that broke something: the card works, and all of its resources are free.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <ostream>
#include <system_error>
#include <vector>

#include "uapi.hpp"

namespace uapi {

/// Throws unless a new file gets memory and a queue, copies through both memories keep the data,
/// and a matrix product is right.
void expect_working_card();

/// Runs processes that check the card as above in a loop, and calls `disturb` ten times meanwhile.
/// Expects that every check succeeds or fails with one of the `allowed` errnos.
void expect_working_card_or(std::initializer_list<int> allowed,
                            const std::function<void()>& disturb);
/// The same for any work with the card.
void expect_work_or(const std::function<void()>& work, std::initializer_list<int> allowed,
                    const std::function<void()>& disturb);

/// Creates objects until `make` fails with this errno; returns their number, and destroys all.
template <typename Make>
[[nodiscard]] std::uint64_t count_until(int expected, Make make) {
    std::vector<decltype(make())> all;
    try {
        for (;;) {
            all.push_back(make());
        }
    } catch (const std::system_error& error) {
        if (error.code().value() != expected) {
            throw;
        }
    }
    return all.size();
}

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
