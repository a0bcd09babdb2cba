// SPDX-License-Identifier: Apache-2.0
//
// Helpers for the tests of read() and write().
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "card.hpp"
#include "uapi.hpp"

namespace uapi {

/// Pseudo-random bytes from a seed; no two pages are equal.
[[nodiscard]] inline std::vector<std::byte> pattern(std::size_t bytes, std::uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::byte> all(bytes);
    for (auto& one : all) {
        one = static_cast<std::byte>(random());
    }
    return all;
}

[[nodiscard]] inline std::byte* align_up(std::byte* pointer) {
    return pointer + (page - reinterpret_cast<std::uintptr_t>(pointer) % page) % page;
}

/// Reads a counter of the card from sysfs.
[[nodiscard]] inline std::uint64_t counter(const std::string& name) {
    const std::string node = Card().node();
    return std::stoull(read_file("/sys/class/accel-card/" + node.substr(node.rfind('/') + 1) +
                                 "/counters/" + name));
}

}  // namespace uapi
