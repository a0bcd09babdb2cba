// SPDX-License-Identifier: Apache-2.0
//
// GEMM and CONV2D of int8 and of 16-bit floats, against the sentences of the data sheet.
#include <algorithm>
#include <cmath>

#include "commands/data_type.hpp"
#include "reference.hpp"
#include "tensor_fixture.hpp"

namespace accel::test {
namespace {

class MixedTypes : public TensorTest {};

// The data types and zero points of an int8 command.
struct Int8Format {
    std::uint8_t a;
    std::uint8_t b;
    std::uint8_t dst;
    std::uint8_t a_zero;
    std::uint8_t b_zero;
    std::uint8_t dst_zero;
};

std::int32_t number(std::uint8_t type, std::uint8_t byte) {
    return type == ACCEL_TYPE_I8 ? static_cast<std::int8_t>(byte) : byte;
}

// A sum, requantized with the scale and bias of its channel.
float requantized(std::int32_t sum, const accel_channel_quant& channel) {
    const auto total = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) + channel.bias);
    return static_cast<float>(total) * std::bit_cast<float>(std::uint32_t{channel.scale});
}
std::uint8_t stored(float x, const Int8Format& t) {
    const float low = t.dst == ACCEL_TYPE_I8 ? -128.0F : 0.0F;
    const float value = std::rint(x) + static_cast<float>(number(t.dst, t.dst_zero));
    return static_cast<std::uint8_t>(
        static_cast<int>(std::min(std::max(value, low), low + 255.0F)));
}

TEST_F(MixedTypes, Int8ProductsAreExactAndRequantized) {
    for (int round = 0; round < 40; ++round) {
        const Int8Format t{
            .a = random.coin() ? std::uint8_t{ACCEL_TYPE_I8} : std::uint8_t{ACCEL_TYPE_U8},
            .b = random.coin() ? std::uint8_t{ACCEL_TYPE_I8} : std::uint8_t{ACCEL_TYPE_U8},
            .dst = random.coin() ? std::uint8_t{ACCEL_TYPE_I8} : std::uint8_t{ACCEL_TYPE_U8},
            .a_zero = static_cast<std::uint8_t>(random.bits()),
            .b_zero = static_cast<std::uint8_t>(random.bits()),
            .dst_zero = static_cast<std::uint8_t>(random.bits())};
        const bool requantize = random.coin();
        accel_gemm p{};
        p.type = t.a;
        p.m = up_to(70);
        p.n = up_to(70);
        p.k = up_to(round % 4 == 0 ? 1500 : 60);
        p.lda = p.k;
        p.ldb = p.n;
        p.ldd = p.n;
        p.batch = up_to(3);
        p.batch_a = p.m * p.k;
        p.batch_d = p.m * p.n;
        p.format.src1_type = t.b;
        p.format.dst_type = requantize ? t.dst : std::uint8_t{ACCEL_TYPE_I32};
        p.format.src0_zero = t.a_zero;
        p.format.src1_zero = t.b_zero;
        p.format.dst_zero = requantize ? t.dst_zero : 0;
        p.flags = requantize ? ACCEL_GEMM_REQUANTIZE : 0;
        const auto a = integers<std::uint8_t>(std::size_t{p.batch} * p.m * p.k);
        const auto b = integers<std::uint8_t>(std::size_t{p.k} * p.n);
        std::vector<accel_channel_quant> channels(p.n);
        for (accel_channel_quant& channel : channels) {
            channel.bias = static_cast<std::uint32_t>(random.below(20000)) - 10000;
            channel.scale = std::bit_cast<std::uint32_t>(1e-3F * static_cast<float>(up_to(9)));
        }
        const std::size_t count = std::size_t{p.batch} * p.m * p.n;
        Operands operands{
            .dst = upload(std::vector<std::uint32_t>(count)), .src0 = upload(a), .src1 = upload(b)};
        operands.src2 = requantize ? upload(channels) : 0;
        run(ACCEL_OP_GEMM, operands, p);
        const auto words = space.load<std::int32_t>(operands.dst, requantize ? 0 : count);
        const auto bytes = space.load<std::uint8_t>(operands.dst, requantize ? count : 0);
        for (std::size_t i = 0; i < count; ++i) {
            std::int32_t sum = 0;
            for (std::size_t k = 0; k < p.k; ++k) {
                sum += (number(t.a, a[i / p.n * p.k + k]) - number(t.a, t.a_zero)) *
                       (number(t.b, b[k * p.n + i % p.n]) - number(t.b, t.b_zero));
            }
            if (requantize) {
                ASSERT_EQ(bytes[i], stored(requantized(sum, channels[i % p.n]), t)) << i;
            } else {
                ASSERT_EQ(words[i], sum) << i;
            }
        }
    }
}

TEST_F(MixedTypes, Int8ImagesArePaddedWithTheirZeroPoint) {
    for (const std::uint32_t groups : {1U, 2U, 6U}) {
        const Int8Format t{ACCEL_TYPE_U8, ACCEL_TYPE_I8, ACCEL_TYPE_U8, 100, 3, 7};
        accel_conv2d p{};
        p.type = t.a;
        p.batch = 2;
        p.groups = groups;
        p.flags = ACCEL_CONV2D_REQUANTIZE;
        p.format.src1_type = t.b;
        p.format.dst_type = t.dst;
        p.format.src0_zero = t.a_zero;
        p.format.src1_zero = t.b_zero;
        p.format.dst_zero = t.dst_zero;
        const auto image = [](std::uint32_t height, std::uint32_t width, std::uint32_t channels) {
            accel_image_layout shape{};
            shape.height = height;
            shape.width = width;
            shape.channels = channels;
            shape.pixel = channels;
            shape.row = channels * width;
            shape.image = channels * width * height;
            return shape;
        };
        p.src = image(9, 7, 6);
        p.dst = image(9, 7, 6);
        p.window.height = p.window.width = 3;
        p.window.stride_y = p.window.stride_x = 1;
        p.window.dilation_y = p.window.dilation_x = 1;
        p.window.pad_top = p.window.pad_left = 1;
        const std::uint32_t depth = 6 / groups;
        const auto src = integers<std::uint8_t>(std::uint64_t{2} * 9 * 7 * 6);
        const auto weights = integers<std::uint8_t>(std::uint64_t{9} * depth * 6);
        std::vector<accel_channel_quant> channels(6);
        for (accel_channel_quant& channel : channels) {
            channel.bias = static_cast<std::uint32_t>(random.below(2000)) - 1000;
            channel.scale = std::bit_cast<std::uint32_t>(0.004F);
        }
        const std::uint64_t dst = upload(std::vector<std::uint8_t>(src.size()));
        run(ACCEL_OP_CONV2D,
            {.dst = dst, .src0 = upload(src), .src1 = upload(weights), .src2 = upload(channels)},
            p);
        const auto got = space.load<std::uint8_t>(dst, src.size());
        for (std::size_t i = 0; i < got.size(); ++i) {
            const int channel = static_cast<int>(i % 6);
            const int x = static_cast<int>(i / 6 % 7);
            const int y = static_cast<int>(i / 42 % 9);
            const int group = channel / static_cast<int>(depth);
            std::int32_t sum = 0;
            for (int tap = 0; tap < 9; ++tap) {
                const int row = y + tap / 3 - 1;
                const int column = x + tap % 3 - 1;
                if (row < 0 || row >= 9 || column < 0 || column >= 7) {
                    continue;
                }
                for (int c = 0; c < static_cast<int>(depth); ++c) {
                    const int at = ((static_cast<int>(i / 378) * 9 + row) * 7 + column) * 6 +
                                   group * static_cast<int>(depth) + c;
                    const int w = (tap * static_cast<int>(depth) + c) * 6 + channel;
                    sum += (number(t.a, src[static_cast<std::size_t>(at)]) - 100) *
                           (number(t.b, weights[static_cast<std::size_t>(w)]) - 3);
                }
            }
            ASSERT_EQ(got[i], stored(requantized(sum, channels[i % 6]), t))
                << "groups " << groups << " element " << i;
        }
    }
}

TEST_F(MixedTypes, HalvesAreWidenedAndAccumulatedInF32) {
    constexpr std::uint32_t side_length = 40;
    accel_gemm p{};
    p.type = ACCEL_TYPE_BF16;
    p.format.src1_type = ACCEL_TYPE_F16;
    p.format.dst_type = ACCEL_TYPE_F32;
    p.flags = ACCEL_GEMM_ACCUMULATE;
    p.m = p.n = p.k = p.lda = p.ldb = p.ldd = side_length;
    const auto halves = [&](std::uint8_t type, std::vector<float>& wide) {
        std::vector<std::uint16_t> narrow(wide.size());
        card::store(type, wide.data(), wide.size(), narrow.data());
        card::load(type, narrow.data(), narrow.size(), wide.data());
        return narrow;
    };
    auto a = random.ordinary(std::uint64_t{side_length} * side_length);
    auto b = random.ordinary(std::uint64_t{side_length} * side_length);
    auto d = random.ordinary(std::uint64_t{side_length} * side_length);
    const std::uint64_t dst = upload(d);
    const std::uint64_t src0 = upload(halves(ACCEL_TYPE_BF16, a));
    const std::uint64_t src1 = upload(halves(ACCEL_TYPE_F16, b));
    run(ACCEL_OP_GEMM, {.dst = dst, .src0 = src0, .src1 = src1}, p);
    for (std::uint32_t i = 0; i < side_length * side_length; ++i) {
        reference::SumOfProducts sum;
        for (std::uint32_t k = 0; k < side_length; ++k) {
            sum.add(a[i / side_length * side_length + k], b[k * side_length + i % side_length]);
        }
        d[i] = sum.value() + d[i];
    }
    EXPECT_TRUE(same_bits(space.load<float>(dst, d.size()), d));
}

TEST_F(MixedTypes, OtherCombinationsOfDataTypesAreRefused) {
    const std::uint64_t memory = space.allocate(page_size);
    const auto refuse = [&](std::uint8_t a, std::uint8_t b, std::uint8_t dst, std::uint16_t flags) {
        accel_gemm p{};
        p.type = a;
        p.format.src1_type = b;
        p.format.dst_type = dst;
        p.flags = flags;
        p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 1;
        run(ACCEL_OP_GEMM, {.dst = memory, .src0 = memory, .src1 = memory}, p, ACCEL_BAD_FIELD);
    };
    refuse(ACCEL_TYPE_I8, ACCEL_TYPE_F32, ACCEL_TYPE_I32, 0);
    refuse(ACCEL_TYPE_I8, ACCEL_TYPE_I8, ACCEL_TYPE_I8, 0);
    refuse(ACCEL_TYPE_I8, ACCEL_TYPE_I8, ACCEL_TYPE_I32, ACCEL_GEMM_REQUANTIZE);
    refuse(ACCEL_TYPE_I8, ACCEL_TYPE_I8, ACCEL_TYPE_I8, ACCEL_GEMM_REQUANTIZE | ACCEL_GEMM_BIAS);
    refuse(ACCEL_TYPE_F32, ACCEL_TYPE_F32, ACCEL_TYPE_F32, ACCEL_GEMM_REQUANTIZE);
    refuse(ACCEL_TYPE_F32, ACCEL_TYPE_F32, ACCEL_TYPE_BF16, ACCEL_GEMM_ACCUMULATE);
    refuse(ACCEL_TYPE_F32, ACCEL_TYPE_F32, ACCEL_TYPE_I32, 0);
    refuse(ACCEL_TYPE_I64, ACCEL_TYPE_I64, ACCEL_TYPE_I64, 0);
}

}  // namespace
}  // namespace accel::test
