// SPDX-License-Identifier: Apache-2.0
//
// Operands for tests of arithmetic.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

namespace accel::test {

/// Values with many bits set, of both signs: sums in another order give other bits.
inline std::vector<float> random_values(std::size_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::vector<float> values(count);
    for (float& value : values) {
        value = static_cast<float>(engine() % 2001) / 1000.0f - 1.0f;
    }
    return values;
}

}  // namespace accel::test
