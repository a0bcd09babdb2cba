// SPDX-License-Identifier: Apache-2.0
//
// The f32 engines against a plain reference, which follows the definitions of the data sheet
// (docs/reference/hardware.md, section 6). They give the same bits everywhere.
#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>

#include "checks_values.hpp"

namespace accel::tools {

namespace {

// The exponential as the data sheet defines it.
float exponential(float x) {
    if (std::isnan(x)) {
        return x;
    }
    if (x > 88.72283F) {
        return std::numeric_limits<float>::infinity();
    }
    if (x < -104.0F) {
        return 0.0F;
    }
    const float n = std::nearbyint(x * 1.44269502F);
    float r = std::fma(n, -0.693359375F, x);
    r = std::fma(n, 2.12194440e-4F, r);
    float p = 1.9875691500e-4F;
    for (const float c : {1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F, 1.6666665459e-1F,
                          5.0000001201e-1F}) {
        p = std::fma(p, r, c);
    }
    p = std::fma(p, r * r, r) + 1.0F;
    return std::ldexp(p, static_cast<int>(n));
}

Floats gemm(const Floats& a, const Floats& b, const Floats& bias, std::size_t m, std::size_t n,
            std::size_t k) {
    Floats d(m * n);
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            SumOfProducts products;
            for (std::size_t l = 0; l < k; ++l) {
                products.add(a[i * k + l], b[l * n + j]);
            }
            const float sum = products.value() + bias[j];
            d[i * n + j] = sum < 0 ? 0.0F : sum;
        }
    }
    return d;
}

float apply(ElementwiseOp op, float a, float b) {
    switch (op) {
        case ElementwiseOp::add:
            return a + b;
        case ElementwiseOp::sub:
            return a - b;
        case ElementwiseOp::mul:
            return a * b;
        case ElementwiseOp::div:
            return a / b;
        case ElementwiseOp::min:
            return b < a ? b : a;
        case ElementwiseOp::max:
            return b > a ? b : a;
        case ElementwiseOp::identity:
            return a;
        default:
            break;  // prelu
    }
    return a < 0 ? a * b : a;
}

}  // namespace

std::string check_gemm(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t m = 33;
    constexpr std::uint32_t n = 65;
    constexpr std::uint32_t k = 127;
    const Floats a = random_floats(std::size_t{m} * k, 43);
    const Floats b = random_floats(std::size_t{k} * n, 47);
    const Floats bias = random_floats(n, 53);
    const auto d = device.allocate<float>({m, n});
    context.finish(queue.submit(Gemm{.d = d,
                                     .a = upload(device, a),
                                     .b = upload(device, b),
                                     .bias = upload(device, bias),
                                     .m = m,
                                     .n = n,
                                     .k = k,
                                     .activation = UnaryOp::relu}),
                   "GEMM");
    compare(d.span(), gemm(a, b, bias, m, n, k), "GEMM");
    return fmt::format("{} x {} x {} with bias and activation, to the bit", m, n, k);
}

std::string check_elementwise(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    Queue queue = device.create_queue();
    constexpr std::size_t rows = 31;
    constexpr std::size_t columns = 63;
    const Floats a = random_floats(rows * columns, 59);
    const Floats b = random_floats(columns, 61);
    const auto left = upload(device, a);
    const auto right = upload(device, b);
    for (const auto op :
         {ElementwiseOp::add, ElementwiseOp::sub, ElementwiseOp::mul, ElementwiseOp::div,
          ElementwiseOp::min, ElementwiseOp::max, ElementwiseOp::prelu}) {
        const auto d = device.allocate<float>({rows, columns});
        context.finish(queue.submit(Elementwise{.op = op,
                                                .dst = d,
                                                .a = left,
                                                .b = right,
                                                .shape = {rows, columns},
                                                .b_strides = {0, 1}}),
                       "ELEMENTWISE");
        Floats expected(rows * columns);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            expected[i] = apply(op, a[i], b[i % columns]);
        }
        compare(d.span(), expected, fmt::format("ELEMENTWISE {}", static_cast<int>(op)));
    }
    return "seven operations with broadcasting, to the bit";
}

namespace {

// A query that attends the first `count` keys.
void attend(std::span<const float> q, const Floats& k, const Floats& v, std::size_t count,
            float* out) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const std::size_t size = q.size();
    float peak = -infinity;
    float sum = 0;
    Floats totals(size);
    for (std::size_t first = 0; first < count; first += ACCEL_ATTENTION_TILE) {
        const std::size_t end =
            std::min<std::size_t>(k.size() / size, first + ACCEL_ATTENTION_TILE);
        Floats scores;
        float most = peak;
        for (std::size_t key = first; key < end; ++key) {
            SumOfProducts products;
            for (std::size_t c = 0; c < size; ++c) {
                products.add(q[c], k[key * size + c]);
            }
            scores.push_back(key < count ? products.value() : -infinity);
            most = std::max(most, scores.back());
        }
        const float factor = exponential(peak - most);
        peak = most;
        for (float& score : scores) {
            score = exponential(score - most);
        }
        sum = std::fma(sum, factor, sum_values(scores));
        for (std::size_t c = 0; c < size; ++c) {
            SumOfProducts products;
            for (std::size_t key = first; key < end; ++key) {
                products.add(scores[key - first], v[key * size + c]);
            }
            totals[c] = std::fma(totals[c], factor, products.value());
        }
    }
    for (std::size_t c = 0; c < size; ++c) {
        out[c] = totals[c] / sum;
    }
}

}  // namespace

std::string check_softmax(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t outer = 9;
    constexpr std::uint32_t n = 100;
    Floats x = random_floats(std::size_t{outer} * n, 67);
    for (float& value : x) {
        value *= 20;
    }
    const auto d = device.allocate<float>({outer, n});
    context.finish(
        queue.submit(Softmax{.dst = d, .src = upload(device, x), .outer = outer, .n = n}),
        "SOFTMAX");
    Floats expected(x.size());
    for (std::size_t row = 0; row < outer; ++row) {
        const float* const in = x.data() + row * n;
        float* const out = expected.data() + row * n;
        float most = in[0];
        for (std::size_t i = 1; i < n; ++i) {
            most = in[i] > most ? in[i] : most;
        }
        for (std::size_t i = 0; i < n; ++i) {
            out[i] = exponential(in[i] - most);
        }
        const float sum = sum_values(Floats(out, out + n));
        for (std::size_t i = 0; i < n; ++i) {
            out[i] /= sum;
        }
    }
    compare(d.span(), expected, "SOFTMAX");
    return fmt::format("{} x {}, to the bit", outer, n);
}

// Two tiles of keys, so that the sums of the first are rescaled; causal.
std::string check_attention(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    if ((device.info().features & ACCEL_FEATURE_ATTENTION) == 0) {
        throw CheckSkipped("this card has no ATTENTION");
    }
    Queue queue = device.create_queue();
    constexpr std::uint32_t keys = ACCEL_ATTENTION_TILE + 20;
    constexpr std::uint32_t size = 24;
    const Floats q = random_floats(std::size_t{keys} * size, 151);
    const Floats k = random_floats(std::size_t{keys} * size, 157);
    const Floats v = random_floats(std::size_t{keys} * size, 163);
    const auto d = device.allocate<float>({keys, size});
    context.finish(queue.submit(Attention{.d = d,
                                          .q = upload(device, q),
                                          .k = upload(device, k),
                                          .v = upload(device, v),
                                          .queries = keys,
                                          .keys = keys,
                                          .size = size,
                                          .right = 0}),
                   "ATTENTION");
    Floats expected(q.size());
    for (std::size_t i = 0; i < keys; ++i) {
        attend({q.data() + i * size, size}, k, v, i + 1, expected.data() + i * size);
    }
    compare(d.span(), expected, "ATTENTION");
    return fmt::format("{} queries of {} keys, to the bit", keys, keys);
}

std::string check_reduce(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t outer = 5;
    constexpr std::uint32_t n = 140;
    constexpr std::uint32_t inner = 7;
    const Floats x = random_floats(std::size_t{outer} * n * inner, 71);
    const auto source = upload(device, x);
    for (const auto op :
         {ReduceOp::sum, ReduceOp::max, ReduceOp::min, ReduceOp::argmax, ReduceOp::argmin}) {
        const auto d = device.allocate<float>({outer, inner});
        context.finish(
            queue.submit(
                Reduce{.op = op, .dst = d, .src = source, .outer = outer, .n = n, .inner = inner}),
            "REDUCE");
        Floats expected;
        for (std::size_t o = 0; o < outer; ++o) {
            for (std::size_t i = 0; i < inner; ++i) {
                const auto at = [&](std::size_t j) { return x[(o * n + j) * inner + i]; };
                Floats line;
                std::uint32_t high = 0;
                std::uint32_t low = 0;
                for (std::uint32_t j = 0; j < n; ++j) {
                    line.push_back(at(j));
                    high = at(j) > at(high) ? j : high;
                    low = at(j) < at(low) ? j : low;
                }
                switch (op) {
                    case ReduceOp::sum:
                        expected.push_back(sum_values(line));
                        break;
                    case ReduceOp::max:
                        expected.push_back(at(high));
                        break;
                    case ReduceOp::min:
                        expected.push_back(at(low));
                        break;
                    case ReduceOp::argmax:
                        expected.push_back(std::bit_cast<float>(high));
                        break;
                    default:
                        expected.push_back(std::bit_cast<float>(low));
                        break;
                }
            }
        }
        compare(d.span(), expected, fmt::format("REDUCE {}", static_cast<int>(op)));
    }
    return "five operations, to the bit";
}

}  // namespace accel::tools
