// SPDX-License-Identifier: Apache-2.0
//
// Mini-batches with momentum and a decreasing learning rate. Sums have a fixed order and the random
// generator is that of the C++ standard, so the seed determines every bit of the result.
#include "train.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <utility>

#include "clones.hpp"
#include "reference.hpp"

namespace fashion {

namespace {

constexpr std::size_t batch = 50;
constexpr float momentum = 0.9f;
constexpr float first_learning_rate = 0.05f;
constexpr float last_learning_rate = 0.001f;
constexpr float weight_decay = 1e-4f;

// std::uniform_real_distribution and std::shuffle differ between standard libraries.
class Random {
  public:
    [[nodiscard]] std::size_t below(std::size_t bound) { return engine_() % bound; }
    [[nodiscard]] float symmetric(float limit) {  // in [-limit, limit)
        constexpr float scale = 1.0f / (1U << 23);
        return (static_cast<float>(engine_() >> 40) * scale - 1.0f) * limit;
    }

  private:
    std::mt19937_64 engine_{20170828};
};

void initialize(std::vector<float>& weights, std::size_t inputs, Random& random) {
    const float limit = std::sqrt(6.0f / static_cast<float>(inputs));
    for (float& weight : weights) {
        weight = random.symmetric(limit);
    }
}

// y += a * x: the only loop that takes much time. It is inlined, so that each clone of a caller has
// its own. Most pixels are black, and those are skipped.
template <std::size_t n>
[[gnu::always_inline]] inline void axpy(float* __restrict y, float a, const float* __restrict x) {
    if (a != 0.0f) {
        for (std::size_t i = 0; i < n; ++i) {
            y[i] += a * x[i];
        }
    }
}

// Adds the gradient of one image to `gradient`; returns its loss.
FASHION_CLONES float backward(const MlpWeights& weights, const float* x, std::size_t label,
                              MlpWeights& gradient) {
    std::array<float, hidden> h{};
    std::copy(weights.b1.begin(), weights.b1.end(), h.begin());
    for (std::size_t k = 0; k < pixels; ++k) {
        axpy<hidden>(h.data(), x[k], &weights.w1[k * hidden]);
    }
    std::array<float, classes> logits{};
    std::copy(weights.b2.begin(), weights.b2.end(), logits.begin());
    for (std::size_t k = 0; k < hidden; ++k) {
        h[k] = h[k] < 0.0f ? 0.0f : h[k];
        axpy<classes>(logits.data(), h[k], &weights.w2[k * classes]);
    }

    // The gradient of softmax with cross-entropy: the probability, minus one for the correct class.
    const float largest = *std::max_element(logits.begin(), logits.end());
    std::array<float, classes> dlogits{};
    float sum = 0.0f;
    for (std::size_t n = 0; n < classes; ++n) {
        dlogits[n] = reference_exp(logits[n] - largest);
        sum += dlogits[n];
    }
    for (float& d : dlogits) {
        d /= sum;
    }
    const float loss = -std::log(std::max(dlogits[label], 1e-30f));
    dlogits[label] -= 1.0f;

    std::array<float, hidden> dh{};
    for (std::size_t k = 0; k < hidden; ++k) {
        if (h[k] > 0.0f) {
            for (std::size_t n = 0; n < classes; ++n) {
                dh[k] += dlogits[n] * weights.w2[k * classes + n];
            }
        }
        axpy<classes>(&gradient.w2[k * classes], h[k], dlogits.data());
    }
    axpy<classes>(gradient.b2.data(), 1.0f, dlogits.data());
    axpy<hidden>(gradient.b1.data(), 1.0f, dh.data());
    for (std::size_t k = 0; k < pixels; ++k) {
        axpy<hidden>(&gradient.w1[k * hidden], x[k], dh.data());
    }
    return loss;
}

// Updates the weights by one step, and clears the gradient for the next batch.
FASHION_CLONES void step(float* __restrict weight, float* __restrict velocity,
                         float* __restrict gradient, std::size_t count, float learning_rate) {
    for (std::size_t i = 0; i < count; ++i) {
        const float slope = gradient[i] * (1.0f / batch) + weight_decay * weight[i];
        velocity[i] = momentum * velocity[i] - learning_rate * slope;
        weight[i] += velocity[i];
        gradient[i] = 0.0f;
    }
}

void step(std::vector<float>& weight, std::vector<float>& velocity, std::vector<float>& gradient,
          float learning_rate) {
    step(weight.data(), velocity.data(), gradient.data(), weight.size(), learning_rate);
}

}  // namespace

MlpWeights train(const Dataset& data, std::size_t epochs, const Progress& progress) {
    Random random;
    MlpWeights weights;
    MlpWeights velocity;
    MlpWeights gradient;
    initialize(weights.w1, pixels, random);
    initialize(weights.w2, hidden, random);

    std::vector<std::uint32_t> order(data.size());
    std::iota(order.begin(), order.end(), 0);
    const std::size_t batches = data.size() / batch;
    std::array<float, pixels> x{};
    for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
        for (std::size_t i = order.size(); i > 1; --i) {
            std::swap(order[i - 1], order[random.below(i)]);
        }
        const float done = static_cast<float>(epoch) / static_cast<float>(epochs);
        const float learning_rate =
            first_learning_rate + (last_learning_rate - first_learning_rate) * done;
        double loss = 0.0;
        for (std::size_t i = 0; i < batches * batch; ++i) {
            decode(data.image(order[i]), x);
            loss += backward(weights, x.data(), data.labels[order[i]], gradient);
            if ((i + 1) % batch == 0) {
                step(weights.w1, velocity.w1, gradient.w1, learning_rate);
                step(weights.b1, velocity.b1, gradient.b1, learning_rate);
                step(weights.w2, velocity.w2, gradient.w2, learning_rate);
                step(weights.b2, velocity.b2, gradient.b2, learning_rate);
            }
        }
        progress(epoch + 1, loss / static_cast<double>(batches * batch), weights);
    }
    return weights;
}

}  // namespace fashion
