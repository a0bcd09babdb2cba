// SPDX-License-Identifier: Apache-2.0
//
// Stochastic gradient descent with momentum, as in the example fashion-mnist. Inner loops iterate
// over output channels, so that the compiler vectorizes them.
#include "cnn.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>

#include "clones.hpp"

namespace fashion {

namespace {

constexpr std::size_t batch = 50;
constexpr float momentum = 0.9f;
constexpr float first_rate = 0.03f;
constexpr float last_rate = 0.003f;
constexpr auto ends = Cnn::last * Cnn::last * Cnn::second;

template <std::size_t n>
[[gnu::always_inline]] inline void axpy(float* __restrict y, float a, const float* __restrict x) {
    if (a != 0.0f) {
        for (std::size_t i = 0; i < n; ++i) {
            y[i] += a * x[i];
        }
    }
}

// Calls visit(output pixel, input pixel, tap) for each element of all 3 x 3 windows with a pad
// of 1.
template <typename Visit>
[[gnu::always_inline]] inline void windows(std::size_t side, std::size_t stride, Visit visit) {
    const std::size_t out = side / stride;
    for (std::size_t y = 0; y < out; ++y) {
        for (std::size_t x = 0; x < out; ++x) {
            for (std::size_t ky = 0; ky < 3; ++ky) {
                for (std::size_t kx = 0; kx < 3; ++kx) {
                    const std::size_t iy = y * stride + ky - 1;  // wraps around to a large index
                    const std::size_t ix = x * stride + kx - 1;
                    if (iy < side && ix < side) {
                        visit(y * out + x, iy * side + ix, ky * 3 + kx);
                    }
                }
            }
        }
    }
}

template <std::size_t in, std::size_t out>
[[gnu::always_inline]] inline void convolve(std::size_t side, std::size_t stride, const float* x,
                                            const float* w, const float* b, float* y) {
    const std::size_t pixels_out = (side / stride) * (side / stride);
    for (std::size_t p = 0; p < pixels_out; ++p) {
        std::copy(b, b + out, y + p * out);
    }
    windows(side, stride, [&](std::size_t to, std::size_t from, std::size_t tap) {
        for (std::size_t c = 0; c < in; ++c) {
            axpy<out>(y + to * out, x[from * in + c], w + (tap * in + c) * out);
        }
    });
    for (std::size_t i = 0; i < pixels_out * out; ++i) {
        y[i] = y[i] < 0.0f ? 0.0f : y[i];
    }
}

// The results of a forward pass that the backward pass needs.
struct Pass {
    std::array<float, pixels * Cnn::first> wide{};
    std::array<float, Cnn::pooled * Cnn::pooled * Cnn::first> pooled{};
    std::array<std::uint16_t, Cnn::pooled * Cnn::pooled * Cnn::first> winner{};
    std::array<float, ends> end{};
    std::array<float, classes> logits{};
};

void pool(Pass& pass) {
    for (std::size_t y = 0; y < Cnn::pooled; ++y) {
        for (std::size_t x = 0; x < Cnn::pooled; ++x) {
            for (std::size_t c = 0; c < Cnn::first; ++c) {
                std::size_t best = ((2 * y) * Cnn::side + 2 * x) * Cnn::first + c;
                for (const std::size_t step : {std::size_t{1}, Cnn::side, Cnn::side + 1}) {
                    const std::size_t other = ((2 * y) * Cnn::side + 2 * x + step) * Cnn::first + c;
                    best = pass.wide[other] > pass.wide[best] ? other : best;
                }
                const std::size_t at = (y * Cnn::pooled + x) * Cnn::first + c;
                pass.pooled[at] = pass.wide[best];
                pass.winner[at] = static_cast<std::uint16_t>(best);
            }
        }
    }
}

FASHION_CLONES void forward(const Cnn& cnn, const float* x, Pass& pass) {
    convolve<1, Cnn::first>(Cnn::side, 1, x, cnn.w1.data(), cnn.b1.data(), pass.wide.data());
    pool(pass);
    convolve<Cnn::first, Cnn::second>(Cnn::pooled, 2, pass.pooled.data(), cnn.w2.data(),
                                      cnn.b2.data(), pass.end.data());
    std::copy(cnn.b3.begin(), cnn.b3.end(), pass.logits.begin());
    for (std::size_t k = 0; k < ends; ++k) {
        axpy<classes>(pass.logits.data(), pass.end[k], &cnn.w3[k * classes]);
    }
}

FASHION_CLONES void backward(const Cnn& cnn, const float* x, const Pass& pass, std::size_t label,
                             Cnn& gradient) {
    const float top = *std::max_element(pass.logits.begin(), pass.logits.end());
    std::array<float, classes> slope{};
    float sum = 0.0f;
    for (std::size_t n = 0; n < classes; ++n) {
        slope[n] = std::exp(pass.logits[n] - top);
        sum += slope[n];
    }
    for (float& s : slope) {
        s /= sum;
    }
    slope[label] -= 1.0f;

    std::array<float, ends> dend{};
    for (std::size_t k = 0; k < ends; ++k) {
        if (pass.end[k] > 0.0f) {
            for (std::size_t n = 0; n < classes; ++n) {
                dend[k] += slope[n] * cnn.w3[k * classes + n];
            }
        }
        axpy<classes>(&gradient.w3[k * classes], pass.end[k], slope.data());
    }
    axpy<classes>(gradient.b3.data(), 1.0f, slope.data());

    std::array<float, Cnn::pooled * Cnn::pooled * Cnn::first> dpooled{};
    windows(Cnn::pooled, 2, [&](std::size_t to, std::size_t from, std::size_t tap) {
        const float* const d = &dend[to * Cnn::second];
        for (std::size_t c = 0; c < Cnn::first; ++c) {
            const std::size_t w = (tap * Cnn::first + c) * Cnn::second;
            float back = 0.0f;
            for (std::size_t o = 0; o < Cnn::second; ++o) {
                back += d[o] * cnn.w2[w + o];
            }
            dpooled[from * Cnn::first + c] += back;
            axpy<Cnn::second>(&gradient.w2[w], pass.pooled[from * Cnn::first + c], d);
        }
    });
    for (std::size_t p = 0; p < Cnn::last * Cnn::last; ++p) {
        axpy<Cnn::second>(gradient.b2.data(), 1.0f, &dend[p * Cnn::second]);
    }

    std::array<float, pixels * Cnn::first> dwide{};
    for (std::size_t i = 0; i < dpooled.size(); ++i) {
        if (pass.pooled[i] > 0.0f) {
            dwide[pass.winner[i]] = dpooled[i];
        }
    }
    windows(Cnn::side, 1, [&](std::size_t to, std::size_t from, std::size_t tap) {
        axpy<Cnn::first>(&gradient.w1[tap * Cnn::first], x[from], &dwide[to * Cnn::first]);
    });
    for (std::size_t p = 0; p < pixels; ++p) {
        axpy<Cnn::first>(gradient.b1.data(), 1.0f, &dwide[p * Cnn::first]);
    }
}

std::array<std::vector<float>*, 6> parts(Cnn& cnn) {
    return {&cnn.w1, &cnn.b1, &cnn.w2, &cnn.b2, &cnn.w3, &cnn.b3};
}

}  // namespace

Cnn train_cnn(const Dataset& data, std::size_t epochs) {
    std::mt19937_64 random(20170828);
    Cnn cnn;
    const auto initialize = [&](std::vector<float>& weights, std::size_t inputs) {
        const float limit = std::sqrt(6.0f / static_cast<float>(inputs));
        for (float& w : weights) {
            w = (static_cast<float>(random() >> 40) / (1U << 23) - 1.0f) * limit;
        }
    };
    initialize(cnn.w1, 9);
    initialize(cnn.w2, 9 * Cnn::first);
    initialize(cnn.w3, ends);
    Cnn speed;
    Cnn gradient;
    std::vector<std::uint32_t> order(data.size());
    std::iota(order.begin(), order.end(), 0);
    std::array<float, pixels> x{};
    Pass pass;
    for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
        for (std::size_t i = order.size(); i > 1; --i) {
            std::swap(order[i - 1], order[random() % i]);
        }
        const float rate = epoch + 1 == epochs ? last_rate : first_rate;
        for (std::size_t i = 0; i < order.size() / batch * batch; ++i) {
            decode(data.image(order[i]), x);
            forward(cnn, x.data(), pass);
            backward(cnn, x.data(), pass, data.labels[order[i]], gradient);
            if ((i + 1) % batch != 0) {
                continue;
            }
            for (std::size_t p = 0; p < 6; ++p) {
                std::vector<float>& w = *parts(cnn).at(p);
                std::vector<float>& v = *parts(speed).at(p);
                std::vector<float>& g = *parts(gradient).at(p);
                for (std::size_t k = 0; k < w.size(); ++k) {
                    v[k] = momentum * v[k] - rate * g[k] / batch;
                    w[k] += v[k];
                    g[k] = 0.0f;
                }
            }
        }
    }
    return cnn;
}

double accuracy(const Cnn& cnn, const Dataset& data) {
    std::array<float, pixels> x{};
    Pass pass;
    std::size_t right = 0;
    for (std::size_t i = 0; i < data.size(); ++i) {
        decode(data.image(i), x);
        forward(cnn, x.data(), pass);
        const auto best = std::max_element(pass.logits.begin(), pass.logits.end());
        right += static_cast<std::size_t>(best - pass.logits.begin()) == data.labels[i] ? 1 : 0;
    }
    return static_cast<double>(right) / static_cast<double>(data.size());
}

}  // namespace fashion
