// SPDX-License-Identifier: Apache-2.0
//
// The engines against a plain reference: the data sheet's definitions (docs/reference/hardware.md, section
// 6), which give the same bits everywhere.
#include <accel_hw.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>

#include "accel/accel.hpp"
#include "checks_values.hpp"

namespace accel::tools {

namespace {

// The data sheet's exponential.
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
            float sum = 0;
            for (std::size_t l = 0; l < k; ++l) {
                sum = std::fma(a[i * k + l], b[l * n + j], sum);
            }
            sum += bias[j];
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

std::string check_copy_fill(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t rows = 17;
    constexpr std::size_t row = 61;
    constexpr std::size_t stride = 128;
    auto from = device.allocate<std::uint8_t>({rows * stride});
    auto to = device.allocate<std::uint8_t>({rows * stride});
    RandomNumbers numbers(41);
    for (std::uint8_t& byte : from) {
        byte = static_cast<std::uint8_t>(numbers.next());
    }
    to.fill(0xee);
    bench.finish(queue.submit(Copy{.dst = to,
                                   .src = from,
                                   .bytes = row,
                                   .rows = rows,
                                   .dst_stride = stride,
                                   .src_stride = stride}),
                 "a strided copy");
    for (std::size_t i = 0; i < to.size(); ++i) {
        const std::uint8_t expected = i % stride < row ? from[i] : 0xee;
        if (to[i] != expected) {
            throw Wrong(fmt::format("a strided copy: byte {} is {:02x}, and should be {:02x}", i,
                                    to[i], expected));
        }
    }
    auto filled = device.allocate<std::uint64_t>({1000});
    bench.finish(queue.submit(fill(filled, std::uint64_t{0x0123456789abcdef})), "a fill");
    for (const std::uint64_t word : filled) {
        if (word != 0x0123456789abcdef) {
            throw Wrong(fmt::format("a fill left {:016x}", word));
        }
    }
    return "strided copy and fill";
}

std::string check_gemm(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t m = 33;
    constexpr std::uint32_t n = 65;
    constexpr std::uint32_t k = 127;
    const Floats a = random(std::size_t{m} * k, 43);
    const Floats b = random(std::size_t{k} * n, 47);
    const Floats bias = random(n, 53);
    const auto d = device.allocate<float>({m, n});
    bench.finish(queue.submit(Gemm{.d = d,
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

std::string check_elementwise(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    Queue queue = device.create_queue();
    constexpr std::size_t rows = 31;
    constexpr std::size_t columns = 63;
    const Floats a = random(rows * columns, 59);
    const Floats b = random(columns, 61);
    const auto left = upload(device, a);
    const auto right = upload(device, b);
    for (const auto op :
         {ElementwiseOp::add, ElementwiseOp::sub, ElementwiseOp::mul, ElementwiseOp::div,
          ElementwiseOp::min, ElementwiseOp::max, ElementwiseOp::prelu}) {
        const auto d = device.allocate<float>({rows, columns});
        bench.finish(queue.submit(Elementwise{.op = op,
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

std::string check_softmax(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t outer = 9;
    constexpr std::uint32_t n = 100;
    Floats x = random(std::size_t{outer} * n, 67);
    for (float& value : x) {
        value *= 20;
    }
    const auto d = device.allocate<float>({outer, n});
    bench.finish(queue.submit(Softmax{.dst = d, .src = upload(device, x), .outer = outer, .n = n}),
                 "SOFTMAX");
    Floats expected(x.size());
    for (std::size_t row = 0; row < outer; ++row) {
        const float* const in = x.data() + row * n;
        float* const out = expected.data() + row * n;
        float most = in[0];
        for (std::size_t i = 1; i < n; ++i) {
            most = in[i] > most ? in[i] : most;
        }
        float sum = 0;
        for (std::size_t i = 0; i < n; ++i) {
            out[i] = exponential(in[i] - most);
            sum += out[i];
        }
        for (std::size_t i = 0; i < n; ++i) {
            out[i] /= sum;
        }
    }
    compare(d.span(), expected, "SOFTMAX");
    return fmt::format("{} x {}, to the bit", outer, n);
}

namespace {

void need_images(const Device& device) {
    if ((device.info().features & ACCEL_FEATURE_IMAGE) == 0) {
        throw Skip("this card has no CONV2D and POOL");
    }
}

// An image of 13 x 11, a window of 3 x 3 that reaches outside on all sides, every second result.
constexpr std::uint32_t image_height = 13;
constexpr std::uint32_t image_width = 11;
constexpr std::uint32_t result_height = 7;
constexpr std::uint32_t result_width = 6;
constexpr ConvWindow window{
    .height = 3, .width = 3, .stride_y = 2, .stride_x = 2, .pad_top = 1, .pad_left = 1};

// visit(row, column) of each tap of a result, in order; outside the image both are negative.
template <typename Visit>
void for_taps(std::uint32_t y, std::uint32_t x, Visit&& visit) {
    for (int i = 0; i < window.height; ++i) {
        for (int j = 0; j < window.width; ++j) {
            const int row = static_cast<int>(y) * window.stride_y + i - window.pad_top;
            const int column = static_cast<int>(x) * window.stride_x + j - window.pad_left;
            const bool inside = row >= 0 && row < static_cast<int>(image_height) && column >= 0 &&
                                column < static_cast<int>(image_width);
            visit(inside ? row : -1, inside ? column : -1);
        }
    }
}

}  // namespace

std::string check_conv2d(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    need_images(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t in = 5;
    constexpr std::uint32_t out = 37;
    const Floats source = random(std::size_t{image_height} * image_width * in, 73);
    const Floats weights = random(std::size_t{9} * in * out, 79);
    const Floats bias = random(out, 83);
    const auto d = device.allocate<float>({result_height, result_width, out});
    bench.finish(
        queue.submit(
            Conv2d{.dst = d,
                   .src = upload(device, source),
                   .weights = upload(device, weights),
                   .bias = upload(device, bias),
                   .src_layout = {.height = image_height, .width = image_width, .channels = in},
                   .dst_layout = {.height = result_height, .width = result_width, .channels = out},
                   .window = window,
                   .activation = UnaryOp::relu}),
        "CONV2D");
    Floats expected;
    for (std::uint32_t y = 0; y < result_height; ++y) {
        for (std::uint32_t x = 0; x < result_width; ++x) {
            for (std::uint32_t o = 0; o < out; ++o) {
                float sum = 0;
                std::size_t k = 0;
                for_taps(y, x, [&](int row, int column) {
                    for (std::uint32_t c = 0; c < in; ++c, ++k) {
                        const auto pixel = static_cast<std::size_t>(row) * image_width +
                                           static_cast<std::size_t>(column);
                        const float value = row < 0 ? 0.0F : source[pixel * in + c];
                        sum = std::fma(value, weights[k * out + o], sum);
                    }
                });
                sum += bias[o];
                expected.push_back(sum < 0 ? 0.0F : sum);
            }
        }
    }
    compare(d.span(), expected, "CONV2D");
    return fmt::format("{} x {} x {} to {} channels, to the bit", image_height, image_width, in,
                       out);
}

std::string check_pool(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    need_images(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t channels = 19;
    const Floats source = random(std::size_t{image_height} * image_width * channels, 89);
    const auto from = upload(device, source);
    for (const auto op : {PoolOp::max, PoolOp::average}) {
        const auto d = device.allocate<float>({result_height, result_width, channels});
        bench.finish(
            queue.submit(Pool{
                .op = op,
                .dst = d,
                .src = from,
                .src_layout = {.height = image_height, .width = image_width, .channels = channels},
                .dst_layout = {.height = result_height,
                               .width = result_width,
                               .channels = channels},
                .window = window}),
            "POOL");
        Floats expected;
        for (std::uint32_t y = 0; y < result_height; ++y) {
            for (std::uint32_t x = 0; x < result_width; ++x) {
                for (std::uint32_t c = 0; c < channels; ++c) {
                    float most = -std::numeric_limits<float>::infinity();
                    float sum = 0;
                    float taps = 0;
                    for_taps(y, x, [&](int row, int column) {
                        if (row >= 0) {
                            const auto pixel = static_cast<std::size_t>(row) * image_width +
                                               static_cast<std::size_t>(column);
                            const float value = source[pixel * channels + c];
                            most = value > most ? value : most;
                            sum += value;
                            ++taps;
                        }
                    });
                    expected.push_back(op == PoolOp::max ? most : sum / taps);
                }
            }
        }
        compare(d.span(), expected, fmt::format("POOL {}", static_cast<int>(op)));
    }
    return "largest and average, to the bit";
}

std::string check_reduce(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    Queue queue = device.create_queue();
    constexpr std::uint32_t outer = 5;
    constexpr std::uint32_t n = 40;
    constexpr std::uint32_t inner = 7;
    const Floats x = random(std::size_t{outer} * n * inner, 71);
    const auto source = upload(device, x);
    for (const auto op :
         {ReduceOp::sum, ReduceOp::max, ReduceOp::min, ReduceOp::argmax, ReduceOp::argmin}) {
        const auto d = device.allocate<float>({outer, inner});
        bench.finish(
            queue.submit(
                Reduce{.op = op, .dst = d, .src = source, .outer = outer, .n = n, .inner = inner}),
            "REDUCE");
        Floats expected;
        for (std::size_t o = 0; o < outer; ++o) {
            for (std::size_t i = 0; i < inner; ++i) {
                const auto at = [&](std::size_t j) { return x[(o * n + j) * inner + i]; };
                float sum = 0;
                std::uint32_t high = 0;
                std::uint32_t low = 0;
                for (std::uint32_t j = 0; j < n; ++j) {
                    sum += at(j);
                    high = at(j) > at(high) ? j : high;
                    low = at(j) < at(low) ? j : low;
                }
                switch (op) {
                    case ReduceOp::sum:
                        expected.push_back(sum);
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

std::string check_semaphores(const Bench& bench) {
    const Device device = Device::open(bench.card.path());
    Queue producer = device.create_queue();
    Queue consumer = device.create_queue();
    const Semaphore semaphore = device.create_semaphore();
    auto word = device.allocate<std::uint32_t>({1});
    const auto seen = device.allocate<std::uint32_t>({16});
    for (std::uint32_t round = 1; round <= seen.size(); ++round) {
        // Either waits for the other: nothing can be overtaken.
        consumer.submit(semaphore.wait(std::uint64_t{2} * round - 1));
        consumer.submit(copy(seen.slice(round - 1, 1), word));
        const Job last = consumer.submit(semaphore.signal(std::uint64_t{2} * round));
        producer.submit(fill(word, round));
        producer.submit(semaphore.signal(std::uint64_t{2} * round - 1));
        bench.finish(last, "two queues in turn");
    }
    for (std::uint32_t i = 0; i < seen.size(); ++i) {
        if (seen[i] != i + 1) {
            throw Wrong(fmt::format("round {}: the second queue saw {}", i + 1, seen[i]));
        }
    }
    return fmt::format("two queues in turn, {} rounds", seen.size());
}

}  // namespace accel::tools
