// SPDX-License-Identifier: Apache-2.0
//
// The numerics of the card on the host: the order of sums is part of the contract.
#include "reference.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "clones.hpp"

namespace fashion {

namespace {

// Computes the logits of one image. Each sum has k ascending, as on the card; the compiler may
// vectorize only over the outputs.
FASHION_CLONES void forward(const MlpWeights& weights, const float* x, float* logits) {
    std::array<float, hidden> h{};
    for (std::size_t k = 0; k < pixels; ++k) {
        const float* w = &weights.w1[k * hidden];
        for (std::size_t n = 0; n < hidden; ++n) {
            h[n] = std::fma(x[k], w[n], h[n]);
        }
    }
    for (std::size_t n = 0; n < hidden; ++n) {
        const float sum = h[n] + weights.b1[n];
        h[n] = sum < 0.0f ? 0.0f : sum;
    }
    std::array<float, classes> out{};
    for (std::size_t k = 0; k < hidden; ++k) {
        const float* w = &weights.w2[k * classes];
        for (std::size_t n = 0; n < classes; ++n) {
            out[n] = std::fma(h[k], w[n], out[n]);
        }
    }
    for (std::size_t n = 0; n < classes; ++n) {
        logits[n] = out[n] + weights.b2[n];
    }
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
        float sum = 0.0f;
        for (std::size_t j = 0; j < classes; ++j) {
            result[i + j] = reference_exp(row[j] - largest);
            sum = sum + result[i + j];
        }
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
