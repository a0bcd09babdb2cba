// SPDX-License-Identifier: Apache-2.0
//
// RandomNumbers for the checks of engines, and how they are held against what should be.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <span>
#include <vector>

#include "accel/accel.hpp"
#include "checks.hpp"

namespace accel::tools {

using Floats = std::vector<float>;

[[nodiscard]] inline Floats random(std::size_t count, std::uint64_t seed) {
    RandomNumbers numbers(seed);
    Floats values(count);
    for (float& value : values) {
        value = numbers.real();
    }
    return values;
}

/// Any value of an integer type.
template <typename T>
[[nodiscard]] std::vector<T> random_integers(std::size_t count, std::uint64_t seed) {
    RandomNumbers numbers(seed);
    std::vector<T> values(count);
    for (T& value : values) {
        value = static_cast<T>(numbers.next() >> 20U);
    }
    return values;
}

template <typename T>
[[nodiscard]] Buffer<T> upload(const Device& device, const std::vector<T>& values) {
    auto buffer = device.allocate<T>({values.size()});
    buffer.copy_from(values);
    return buffer;
}

/// To the bit; what is no number is like any other.
inline void compare(std::span<const float> got, std::span<const float> expected,
                    const std::string& what) {
    const auto same = [](float a, float b) {
        return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
               (std::isnan(a) && std::isnan(b));
    };
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (!same(got[i], expected[i])) {
            throw Wrong(fmt::format("{}: element {} is {:a}, and should be {:a}", what, i, got[i],
                                    expected[i]));
        }
    }
}

template <typename T>
void compare_integers(std::span<const T> got, std::span<const T> expected,
                      const std::string& what) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (got[i] != expected[i]) {
            throw Wrong(fmt::format("{}: element {} is {}, and should be {}", what, i, got[i],
                                    expected[i]));
        }
    }
}

}  // namespace accel::tools
