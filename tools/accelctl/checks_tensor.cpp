// SPDX-License-Identifier: Apache-2.0
//
// The engines that move elements (TRANSPOSE, GATHER, SCATTER, RESIZE) and int8 GEMM, against a
// plain reference.
#include <accel_hw.h>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "checks_values.hpp"

namespace accel::tools {

namespace {

void need_tensors(const Device& device) {
    if ((device.info().features & ACCEL_FEATURE_TENSOR) == 0) {
        throw CheckSkipped("this card has no TRANSPOSE, GATHER, RESIZE and int8 GEMM");
    }
}

}  // namespace

std::string check_transpose(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    need_tensors(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t planes = 7;
    constexpr std::uint32_t rows = 13;
    constexpr std::uint32_t columns = 29;
    const auto source = random_integers<std::uint16_t>(std::size_t{planes} * rows * columns, 97);
    const auto d = device.allocate<std::uint16_t>({columns, planes, rows});
    // Columns become outermost, and rows are reversed.
    context.finish(queue.submit(Transpose{
                       .dst = d,
                       .src = upload(device, source),
                       .element_size = sizeof(std::uint16_t),
                       .shape = {columns, planes, rows},
                       .src_strides = {1, rows * columns, -static_cast<std::int32_t>(columns)},
                       .src_offset = std::uint64_t{rows - 1} * columns}),
                   "TRANSPOSE");
    std::vector<std::uint16_t> expected;
    for (std::size_t c = 0; c < columns; ++c) {
        for (std::size_t p = 0; p < planes; ++p) {
            for (std::size_t r = 0; r < rows; ++r) {
                expected.push_back(source[(p * rows + rows - 1 - r) * columns + c]);
            }
        }
    }
    compare_integers<std::uint16_t>(d.span(), expected, "TRANSPOSE");
    return fmt::format("{} x {} x {} elements of 2 bytes", planes, rows, columns);
}

std::string check_gather(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    need_tensors(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t outer = 3;
    constexpr std::uint32_t n = 50;
    constexpr std::uint32_t count = 70;
    constexpr std::uint32_t inner = 5;
    const auto source = random_integers<std::uint64_t>(std::size_t{outer} * n * inner, 101);
    std::vector<std::int32_t> indices;
    RandomNumbers numbers(103);
    for (std::uint32_t i = 0; i < count; ++i) {
        indices.push_back(static_cast<std::int32_t>(numbers.next() % (std::uint64_t{2} * n)) -
                          static_cast<std::int32_t>(n));
    }
    const auto d = device.allocate<std::uint64_t>({outer, count, inner});
    context.finish(queue.submit(Gather{.dst = d,
                                       .src = upload(device, source),
                                       .indices = upload(device, indices),
                                       .index_type = DataType::i32,
                                       .element_size = sizeof(std::uint64_t),
                                       .outer = outer,
                                       .n = n,
                                       .count = count,
                                       .inner = inner}),
                   "GATHER");
    std::vector<std::uint64_t> expected;
    for (std::size_t o = 0; o < outer; ++o) {
        for (const std::int32_t index : indices) {
            const auto at = static_cast<std::size_t>(index < 0 ? index + std::int32_t{n} : index);
            for (std::size_t i = 0; i < inner; ++i) {
                expected.push_back(source[(o * n + at) * inner + i]);
            }
        }
    }
    compare_integers<std::uint64_t>(d.span(), expected, "GATHER");
    return fmt::format("{} of {} slices, from both ends", count, n);
}

std::string check_scatter(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    if ((device.info().features & ACCEL_FEATURE_TENSOR_SCATTER) == 0) {
        throw CheckSkipped("this card has no SCATTER");
    }
    Queue queue = device.create_queue();
    constexpr std::uint32_t outer = 3;
    constexpr std::uint32_t n = 20;
    constexpr std::uint32_t count = 70;
    constexpr std::uint32_t inner = 5;
    const Floats source = random_floats(std::size_t{outer} * count * inner, 131);
    Floats expected = random_floats(std::size_t{outer} * n * inner, 137);
    std::vector<std::int32_t> indices;
    RandomNumbers numbers(139);
    for (std::uint32_t i = 0; i < count; ++i) {
        indices.push_back(static_cast<std::int32_t>(numbers.next() % (std::uint64_t{2} * n)) -
                          static_cast<std::int32_t>(n));
    }
    const auto d = upload(device, expected);
    context.finish(queue.submit(Scatter{.op = ScatterOp::add,
                                        .dst = d,
                                        .src = upload(device, source),
                                        .indices = upload(device, indices),
                                        .index_type = DataType::i32,
                                        .outer = outer,
                                        .n = n,
                                        .count = count,
                                        .inner = inner}),
                   "SCATTER");
    for (std::size_t i = 0; i < source.size(); ++i) {
        const std::size_t row = i / inner;
        const std::int32_t index = indices[row % count];
        const auto at = static_cast<std::size_t>(index < 0 ? index + std::int32_t{n} : index);
        expected[(row / count * n + at) * inner + i % inner] += source[i];
    }
    compare(d.span(), expected, "SCATTER");
    return fmt::format("sums of {} slices at {} indices, to the bit", count, n);
}

std::string check_resize(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    need_tensors(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t n = 11;
    constexpr std::uint32_t count = 24;
    constexpr std::uint32_t inner = 17;
    const Floats source = random_floats(std::size_t{n} * inner, 107);
    std::vector<ResizeTap> table;
    for (std::uint32_t i = 0; i < count; ++i) {
        const float at = static_cast<float>(i) * (n - 1) / (count - 1);
        const auto low = std::min(static_cast<std::uint32_t>(at), n - 2);
        const float fraction = at - static_cast<float>(low);
        table.push_back({low, 1 - fraction});
        table.push_back({low + 1, fraction});
    }
    const auto d = device.allocate<float>({count, inner});
    context.finish(queue.submit(Resize{.dst = d,
                                       .src = upload(device, source),
                                       .table = upload(device, table),
                                       .taps = 2,
                                       .n = n,
                                       .count = count,
                                       .inner = inner}),
                   "RESIZE");
    Floats expected;
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t k = 0; k < inner; ++k) {
            float sum = 0;
            for (const ResizeTap& tap : std::span(table).subspan(2 * i, 2)) {
                sum = std::fma(tap.weight, source[std::size_t{tap.index} * inner + k], sum);
            }
            expected.push_back(sum);
        }
    }
    compare(d.span(), expected, "RESIZE");
    return fmt::format("{} to {} with two taps, to the bit", n, count);
}

// int8 operands with zero points, a bias and a scale for each column, requantized to int8.
std::string check_gemm_int8(const CheckContext& context) {
    const Device device = Device::open(context.card.path());
    need_tensors(device);
    Queue queue = device.create_queue();
    constexpr std::uint32_t m = 21;
    constexpr std::uint32_t n = 35;
    constexpr std::uint32_t k = 300;
    constexpr std::int16_t a_zero_point = 120;
    constexpr std::int16_t d_zero_point = -3;
    const auto a = random_integers<std::uint8_t>(std::size_t{m} * k, 109);
    const auto b = random_integers<std::int8_t>(std::size_t{k} * n, 113);
    struct Channel {
        std::int32_t bias;
        float scale;
    };
    std::vector<Channel> channels;
    RandomNumbers numbers(127);
    for (std::uint32_t i = 0; i < n; ++i) {
        channels.push_back({static_cast<std::int32_t>(numbers.next() % 20000) - 10000,
                            1e-4F * (1.5F + numbers.real())});
    }
    const auto d = device.allocate<std::int8_t>({m, n});
    context.finish(queue.submit(Gemm{.d = d,
                                     .a = upload(device, a),
                                     .b = upload(device, b),
                                     .bias = upload(device, channels),
                                     .m = m,
                                     .n = n,
                                     .k = k,
                                     .format = {.a_type = DataType::u8,
                                                .b_type = DataType::i8,
                                                .result_type = DataType::i8,
                                                .a_zero_point = a_zero_point,
                                                .result_zero_point = d_zero_point,
                                                .requantize = true}}),
                   "int8 GEMM");
    std::vector<std::int8_t> expected;
    for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            std::int32_t sum = channels[j].bias;
            for (std::size_t l = 0; l < k; ++l) {
                sum += (a[i * k + l] - a_zero_point) * b[l * n + j];
            }
            const float steps =
                std::nearbyint(static_cast<float>(sum) * channels[j].scale) + float{d_zero_point};
            expected.push_back(static_cast<std::int8_t>(std::clamp(steps, -128.0F, 127.0F)));
        }
    }
    compare_integers<std::int8_t>(d.span(), expected, "int8 GEMM");
    return fmt::format("{} x {} x {}, requantized, to the bit", m, n, k);
}

}  // namespace accel::tools
