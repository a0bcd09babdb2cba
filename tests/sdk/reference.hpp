// SPDX-License-Identifier: Apache-2.0
//
// The results that the card must compute, written in the form of the data sheet.
#pragma once

#include <cmath>
#include <cstddef>
#include <random>
#include <span>
#include <vector>

namespace accel::test {

/// Values of both signs with many significant bits: another order of sums changes the result.
inline std::vector<float> random_values(std::size_t count, unsigned seed) {
    std::mt19937 engine(seed);
    std::vector<float> values(count);
    for (float& value : values) {
        value = static_cast<float>(engine() % 2001) / 1000.0f - 1.0f;
    }
    return values;
}

/// d = a * b + bias, with an optional ReLU; all dense.
inline std::vector<float> gemm(std::span<const float> a, std::span<const float> b,
                               std::span<const float> bias, std::size_t m, std::size_t n,
                               std::size_t k, bool relu) {
    std::vector<float> d(m * n);
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            float sum = 0.0f;
            for (std::size_t l = 0; l < k; ++l) {
                sum = std::fma(a[i * k + l], b[l * n + j], sum);
            }
            sum = bias.empty() ? sum : sum + bias[j];
            d[i * n + j] = relu && sum < 0.0f ? 0.0f : sum;
        }
    }
    return d;
}

}  // namespace accel::test
