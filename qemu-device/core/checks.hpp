// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Small checks of untrusted fields that the admin queue, the processor and the commands share.
#pragma once

#include <cstdint>

namespace accel::card {

template <typename T>
[[nodiscard]] bool all_zero(const T& words) {
    for (const auto& word : words) {
        if (word != 0) {
            return false;
        }
    }
    return true;
}

[[nodiscard]] inline bool aligned(std::uint64_t address, std::uint64_t to) {
    return address % to == 0;
}

}  // namespace accel::card
