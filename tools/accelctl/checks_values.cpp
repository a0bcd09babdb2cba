// SPDX-License-Identifier: Apache-2.0
#include "checks_values.hpp"

#include <fmt/core.h>

#include <bit>
#include <cmath>

namespace accel::tools {

Floats random_floats(std::size_t count, std::uint64_t seed) {
    RandomNumbers numbers(seed);
    Floats values(count);
    for (float& value : values) {
        value = numbers.real();
    }
    return values;
}

void compare(std::span<const float> got, std::span<const float> expected, const std::string& what) {
    const auto same = [](float a, float b) {
        return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
               (std::isnan(a) && std::isnan(b));
    };
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (!same(got[i], expected[i])) {
            throw CheckFailed(
                fmt::format("{}: element {} is {:a}, expected {:a}", what, i, got[i], expected[i]));
        }
    }
}

void fail_element(const std::string& what, std::size_t index, std::int64_t got,
                  std::int64_t expected) {
    throw CheckFailed(fmt::format("{}: element {} is {}, expected {}", what, index, got, expected));
}

}  // namespace accel::tools
