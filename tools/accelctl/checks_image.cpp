// SPDX-License-Identifier: Apache-2.0
//
// CONV2D and POOL against a plain reference, to the bit.
#include <accel_hw.h>
#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "checks_values.hpp"

namespace accel::tools {

namespace {

void need_images(const Device& device) {
    if ((device.info().features & ACCEL_FEATURE_IMAGE) == 0) {
        throw CheckSkipped("this card has neither CONV2D nor POOL");
    }
}

// An image of 13 x 11, and a window of 3 x 3 with stride 2 that reaches outside on all sides.
constexpr std::uint32_t image_height = 13;
constexpr std::uint32_t image_width = 11;
constexpr std::uint32_t result_height = 7;
constexpr std::uint32_t result_width = 6;
constexpr ConvWindow window{
    .height = 3, .width = 3, .stride_y = 2, .stride_x = 2, .pad_top = 1, .pad_left = 1};

// Calls visit(row, column) for each tap of a result, in order. Both are negative outside the image.
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

std::string check_conv2d(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    need_images(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t in = 5;
    constexpr std::uint32_t out = 37;
    const Floats source = random_floats(std::size_t{image_height} * image_width * in, 73);
    const Floats weights = random_floats(std::size_t{9} * in * out, 79);
    const Floats bias = random_floats(out, 83);
    const auto d = device.allocate<float>({result_height, result_width, out});
    context.finish(
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
                SumOfProducts products;
                std::size_t k = 0;
                for_taps(y, x, [&](int row, int column) {
                    for (std::uint32_t c = 0; c < in; ++c, ++k) {
                        const auto pixel = static_cast<std::size_t>(row) * image_width +
                                           static_cast<std::size_t>(column);
                        const float value = row < 0 ? 0.0F : source[pixel * in + c];
                        products.add(value, weights[k * out + o]);
                    }
                });
                const float sum = products.value() + bias[o];
                expected.push_back(sum < 0 ? 0.0F : sum);
            }
        }
    }
    compare(d.span(), expected, "CONV2D");
    return fmt::format("{} x {} x {} to {} channels, to the bit", image_height, image_width, in,
                       out);
}

std::string check_pool(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    need_images(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t channels = 19;
    const Floats source = random_floats(std::size_t{image_height} * image_width * channels, 89);
    const auto from = upload(device, source);
    for (const auto op : {PoolOp::max, PoolOp::average}) {
        const auto d = device.allocate<float>({result_height, result_width, channels});
        context.finish(
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
    return "maximum and average, to the bit";
}

}  // namespace accel::tools
