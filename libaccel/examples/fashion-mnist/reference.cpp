// SPDX-License-Identifier: Apache-2.0
//
// The numerics of the card on the host: the order of sums is part of the contract.
#include "reference.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "clones.hpp"

namespace fashion {

namespace {

// A sum of products has blocks of 32 terms, whose sums are added up in pairs.
constexpr std::size_t block_terms = 32;
// A sum of values has blocks of 64 terms, each of which is halved until one value is left.
constexpr std::size_t block_values = 64;

// The products of one row with a matrix of `outputs` columns. The compiler may vectorize only over
// the outputs.
template <std::size_t inputs, std::size_t outputs>
[[gnu::always_inline]] inline std::array<float, outputs> products(const float* x,
                                                                  const float* weights) {
    // Sums of powers of two of blocks, the largest first.
    constexpr std::size_t most = std::bit_width((inputs + block_terms - 1) / block_terms) + 1;
    std::array<std::array<float, outputs>, most> sums;
    std::size_t depth = 0;
    const auto add_last_two = [&] {
        --depth;
        for (std::size_t n = 0; n < outputs; ++n) {
            sums[depth - 1][n] = sums[depth - 1][n] + sums[depth][n];
        }
    };
    for (std::size_t first = 0; first < inputs; first += block_terms) {
        std::array<float, outputs>& block = sums[depth++];
        block.fill(0.0f);
        for (std::size_t k = first; k < std::min(first + block_terms, inputs); ++k) {
            const float* w = &weights[k * outputs];
            for (std::size_t n = 0; n < outputs; ++n) {
                block[n] = std::fma(x[k], w[n], block[n]);
            }
        }
        for (std::size_t blocks = first / block_terms + 1; blocks % 2 == 0; blocks /= 2) {
            add_last_two();
        }
    }
    while (depth > 1) {
        add_last_two();
    }
    return sums[0];
}

// Computes the logits of one image.
FASHION_CLONES void forward(const MlpWeights& weights, const float* x, float* logits) {
    std::array<float, hidden> h = products<pixels, hidden>(x, weights.w1.data());
    for (std::size_t n = 0; n < hidden; ++n) {
        const float sum = h[n] + weights.b1[n];
        h[n] = sum < 0.0f ? 0.0f : sum;
    }
    const std::array<float, classes> out = products<hidden, classes>(h.data(), weights.w2.data());
    for (std::size_t n = 0; n < classes; ++n) {
        logits[n] = out[n] + weights.b2[n];
    }
}

// The sum of at most 64 values.
float sum_of_values(std::span<const float> values) {
    std::array<float, block_values> t{};
    std::copy(values.begin(), values.end(), t.begin());
    for (std::size_t half = block_values / 2; half != 0; half /= 2) {
        for (std::size_t i = 0; i < half; ++i) {
            t[i] = t[i] + t[i + half];
        }
    }
    return t[0];
}

}  // namespace

std::vector<float> reference_logits(const MlpWeights& weights, const Dataset& data) {
    std::vector<float> logits(data.size() * classes);
    std::array<float, pixels> x{};
    for (std::size_t i = 0; i < data.size(); ++i) {
        decode(data.image(i), x);
        forward(weights, x.data(), &logits[i * classes]);
    }
    return logits;
}

float reference_exp(float x) {
    if (std::isnan(x)) {
        return x;
    }
    if (x > 88.72283f) {
        return std::numeric_limits<float>::infinity();
    }
    if (x < -104.0f) {
        return 0.0f;
    }
    const float n = std::rint(x * 1.44269502f);
    float r = std::fma(n, -0.693359375f, x);
    r = std::fma(n, 2.12194440e-4f, r);
    float p = 1.9875691500e-4f;
    p = std::fma(p, r, 1.3981999507e-3f);
    p = std::fma(p, r, 8.3334519073e-3f);
    p = std::fma(p, r, 4.1665795894e-2f);
    p = std::fma(p, r, 1.6666665459e-1f);
    p = std::fma(p, r, 5.0000001201e-1f);
    p = std::fma(p, r * r, r);
    p = p + 1.0f;
    return std::ldexp(p, static_cast<int>(n));
}

std::vector<float> reference_softmax(std::span<const float> logits) {
    std::vector<float> result(logits.size());
    for (std::size_t i = 0; i < logits.size(); i += classes) {
        const auto row = logits.subspan(i, classes);
        const float largest = *std::max_element(row.begin(), row.end());
        for (std::size_t j = 0; j < classes; ++j) {
            result[i + j] = reference_exp(row[j] - largest);
        }
        const float sum = sum_of_values(std::span(result).subspan(i, classes));
        for (std::size_t j = 0; j < classes; ++j) {
            result[i + j] = result[i + j] / sum;
        }
    }
    return result;
}

std::vector<std::uint32_t> argmax(std::span<const float> values) {
    std::vector<std::uint32_t> result(values.size() / classes);
    for (std::size_t i = 0; i < result.size(); ++i) {
        const auto row = values.subspan(i * classes, classes);
        result[i] =
            static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin());
    }
    return result;
}

double accuracy(std::span<const std::uint32_t> classes_found, const Dataset& data) {
    std::size_t correct = 0;
    for (std::size_t i = 0; i < data.size(); ++i) {
        correct += classes_found[i] == data.labels[i] ? 1 : 0;
    }
    return static_cast<double>(correct) / static_cast<double>(data.size());
}

}  // namespace fashion
