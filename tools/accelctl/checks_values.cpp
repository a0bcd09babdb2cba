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

namespace {

// The left part covers the largest power of two of blocks.
float add_pairwise(std::span<const float> blocks) {
    if (blocks.size() < 2) {
        return blocks.empty() ? 0.0F : blocks[0];
    }
    const std::size_t left = std::bit_floor(blocks.size() - 1);
    return add_pairwise(blocks.first(left)) + add_pairwise(blocks.subspan(left));
}

}  // namespace

void SumOfProducts::add(float a, float b) {
    if (count_++ % 32 == 0) {
        chains_.push_back(0);
    }
    chains_.back() = std::fma(a, b, chains_.back());
}

float SumOfProducts::value() const {
    return add_pairwise(chains_);
}

float sum_values(Floats values) {
    constexpr std::size_t block = 64;
    values.resize((values.size() + block - 1) / block * block);
    Floats blocks;
    for (std::size_t first = 0; first < values.size(); first += block) {
        for (std::size_t half = block / 2; half != 0; half /= 2) {
            for (std::size_t i = first; i < first + half; ++i) {
                values[i] += values[i + half];
            }
        }
        blocks.push_back(values[first]);
    }
    return 0.0F + add_pairwise(blocks);
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
