// SPDX-License-Identifier: Apache-2.0
//
// Random values for the checks, and the comparison of results with the reference.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "accel/accel.hpp"
#include "checks.hpp"

namespace accel::tools {

/// Pseudo-random numbers (xorshift); a seed gives the same ones every time.
class RandomNumbers {
  public:
    explicit RandomNumbers(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return state_;
    }
    /// From -1 to 1.
    float real() { return static_cast<float>(next() % 2000001) / 1e6F - 1.0F; }

  private:
    std::uint64_t state_;
};

using Floats = std::vector<float>;

/// Values from -1 to 1.
[[nodiscard]] Floats random_floats(std::size_t count, std::uint64_t seed);

/// Any values of an integer type.
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

/// A sum in the order of GEMM and CONV2D: chains of 32 fused multiply-adds, added up pairwise.
class SumOfProducts {
  public:
    void add(float a, float b);
    [[nodiscard]] float value() const;

  private:
    std::size_t count_ = 0;
    Floats chains_;
};

/// A sum in the order of REDUCE and SOFTMAX: blocks of 64 values, added up pairwise.
[[nodiscard]] float sum_values(Floats values);

/// Compares to the bit; any NaN equals any other. Throws CheckFailed.
void compare(std::span<const float> got, std::span<const float> expected, const std::string& what);

[[noreturn]] void fail_element(const std::string& what, std::size_t index, std::int64_t got,
                               std::int64_t expected);

/// Throws CheckFailed if an element differs.
template <typename T>
void compare_integers(std::span<const T> got, std::span<const T> expected,
                      const std::string& what) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (got[i] != expected[i]) {
            fail_element(what, i, static_cast<std::int64_t>(got[i]),
                         static_cast<std::int64_t>(expected[i]));
        }
    }
}

}  // namespace accel::tools
