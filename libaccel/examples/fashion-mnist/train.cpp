// SPDX-License-Identifier: Apache-2.0
//
// Mini-batches with momentum and a falling rate. Every sum is in a fixed order and the random
// numbers are the standard's own generator, so the seed decides every bit of the result.
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
constexpr float first_rate = 0.05f;
constexpr float last_rate = 0.001f;
constexpr float decay = 1e-4f;  // of the weights

// std::uniform_real_distribution and std::shuffle differ between libraries; this does not.
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

void initialise(std::vector<float>& weights, std::size_t inputs, Random& random) {
    const float limit = std::sqrt(6.0f / static_cast<float>(inputs));
    for (float& weight : weights) {
        weight = random.symmetric(limit);
    }
}

// y += a * x, the only loop that takes time: inlined, so that it is compiled for the caller's
// processor. Most pixels are black, and those are skipped.
template <std::size_t n>
[[gnu::always_inline]] inline void axpy(float* __restrict y, float a, const float* __restrict x) {
    if (a != 0.0f) {
        for (std::size_t i = 0; i < n; ++i) {
            y[i] += a * x[i];
        }
    }
}

// Adds the gradient of one image to `gradient`; returns its loss.
FASHION_CLONES float backward(const Model& model, const float* x, std::size_t label,
                              Model& gradient) {
    std::array<float, hidden> h{};
    std::copy(model.b1.begin(), model.b1.end(), h.begin());
    for (std::size_t k = 0; k < pixels; ++k) {
        axpy<hidden>(h.data(), x[k], &model.w1[k * hidden]);
    }
    std::array<float, classes> logits{};
    std::copy(model.b2.begin(), model.b2.end(), logits.begin());
    for (std::size_t k = 0; k < hidden; ++k) {
        h[k] = h[k] < 0.0f ? 0.0f : h[k];
        axpy<classes>(logits.data(), h[k], &model.w2[k * classes]);
    }

    // Of softmax and cross-entropy together: probability minus one for the right class.
    const float top = *std::max_element(logits.begin(), logits.end());
    std::array<float, classes> dlogits{};
    float sum = 0.0f;
    for (std::size_t n = 0; n < classes; ++n) {
        dlogits[n] = reference_exp(logits[n] - top);
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
                dh[k] += dlogits[n] * model.w2[k * classes + n];
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

// One step; leaves the gradient cleared for the next batch.
FASHION_CLONES void step(float* __restrict weight, float* __restrict speed,
                         float* __restrict gradient, std::size_t count, float rate) {
    for (std::size_t i = 0; i < count; ++i) {
        const float slope = gradient[i] * (1.0f / batch) + decay * weight[i];
        speed[i] = momentum * speed[i] - rate * slope;
        weight[i] += speed[i];
        gradient[i] = 0.0f;
    }
}

void step(std::vector<float>& weight, std::vector<float>& speed, std::vector<float>& gradient,
          float rate) {
    step(weight.data(), speed.data(), gradient.data(), weight.size(), rate);
}

}  // namespace

Model train(const Dataset& data, std::size_t epochs, const Progress& progress) {
    Random random;
    Model model;
    Model speed;
    Model gradient;
    initialise(model.w1, pixels, random);
    initialise(model.w2, hidden, random);

    std::vector<std::uint32_t> order(data.size());
    std::iota(order.begin(), order.end(), 0);
    const std::size_t batches = data.size() / batch;
    std::array<float, pixels> x{};
    for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
        for (std::size_t i = order.size(); i > 1; --i) {
            std::swap(order[i - 1], order[random.below(i)]);
        }
        const float done = static_cast<float>(epoch) / static_cast<float>(epochs);
        const float rate = first_rate + (last_rate - first_rate) * done;
        double loss = 0.0;
        for (std::size_t i = 0; i < batches * batch; ++i) {
            decode(data.image(order[i]), x);
            loss += backward(model, x.data(), data.labels[order[i]], gradient);
            if ((i + 1) % batch == 0) {
                step(model.w1, speed.w1, gradient.w1, rate);
                step(model.b1, speed.b1, gradient.b1, rate);
                step(model.w2, speed.w2, gradient.w2, rate);
                step(model.b2, speed.b2, gradient.b2, rate);
            }
        }
        progress(epoch + 1, loss / static_cast<double>(batches * batch), model);
    }
    return model;
}

}  // namespace fashion
