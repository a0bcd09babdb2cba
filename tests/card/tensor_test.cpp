// SPDX-License-Identifier: Apache-2.0
//
// Types other than f32, and the commands that move elements: TRANSPOSE, GATHER, RESIZE; each
// against the plain sentence of the data sheet.
#include <cmath>

#include "card_fixture.hpp"
#include "commands/number.hpp"

namespace accel::test {
namespace {

class Tensor : public CardTest {
  protected:
    Tensor() : CardTest({.device_memory = 256 << 20, .host_memory = 256 << 20}) {}

    template <typename T>
    std::uint64_t place(const std::vector<T>& values) {
        const std::uint64_t address =
            space.allocate(values.size() * sizeof(T) + 64, Layout::scattered, random.below(64) * 8);
        space.store(address, values);
        return address;
    }
    template <typename T>
    std::vector<T> integers(std::size_t count) {
        std::vector<T> values(count);
        for (T& value : values) {
            value = static_cast<T>(random.bits());
        }
        return values;
    }
    std::uint32_t up_to(std::uint32_t most) {
        return 1 + static_cast<std::uint32_t>(random.below(most));
    }

    template <typename Params>
    void run(accel_opcode opcode, const Operands& operands, const Params& p,
             accel_status expected = ACCEL_OK) {
        if (expected == ACCEL_OK) {
            ASSERT_EQ(queue.run(tensor_command(opcode, operands, p)), ACCEL_OK);
        } else {
            expect_error(expected, tensor_command(opcode, operands, p));
        }
    }

    Random random{7};
};

TEST_F(Tensor, EveryHalfBecomesItsNumberAndItselfAgain) {
    for (const std::uint8_t type : {ACCEL_TYPE_BF16, ACCEL_TYPE_F16}) {
        for (std::uint32_t bits = 0; bits <= UINT16_MAX; ++bits) {
            const auto half = static_cast<std::uint16_t>(bits);
            float wide = 0;
            card::load(type, &half, 1, &wide);
            std::uint16_t again = 0;
            card::store(type, &wide, 1, &again);
            if (std::isnan(wide)) {
                card::load(type, &again, 1, &wide);
                ASSERT_TRUE(std::isnan(wide)) << bits;
            } else {
                ASSERT_EQ(again, half);
            }
        }
    }
    const auto half = [](std::uint8_t type, float x) {
        std::uint16_t bits = 0;
        card::store(type, &x, 1, &bits);
        return bits;
    };
    EXPECT_EQ(half(ACCEL_TYPE_F16, 65519.0F), 0x7bff);
    EXPECT_EQ(half(ACCEL_TYPE_F16, 65520.0F), 0x7c00);
    EXPECT_EQ(half(ACCEL_TYPE_F16, 0x1.8p-25F), 0x0001);
    EXPECT_EQ(half(ACCEL_TYPE_F16, 0x1p-25F), 0x0000);
    EXPECT_EQ(half(ACCEL_TYPE_F16, 1.0F + 0x1p-11F), 0x3c00);  // half to even
    EXPECT_EQ(half(ACCEL_TYPE_F16, 1.0F + 3 * 0x1p-11F), 0x3c02);
    EXPECT_EQ(half(ACCEL_TYPE_BF16, 1.0F + 0x1p-8F), 0x3f80);
    EXPECT_EQ(half(ACCEL_TYPE_BF16, 1.0F + 3 * 0x1p-8F), 0x3f82);
}

TEST_F(Tensor, FloatsBecomeIntegersTruncatedAndHeldToTheRange) {
    const std::vector<float> x{-1e30F, -128.5F, -1.9F,  -0.5F, 0.5F, 1.9F,
                               127.9F, 255.5F,  300.0F, 1e30F, NAN};
    const auto convert = [&]<typename T>(std::uint8_t type, const std::vector<T>& expected) {
        accel_elementwise p{};
        p.type = ACCEL_TYPE_F32;
        p.op = ACCEL_EW_IDENTITY;
        p.rank = 1;
        p.dst_type = type;
        p.dims[0] = static_cast<std::uint32_t>(x.size());
        p.dst_strides[0] = p.src0_strides[0] = 1;
        const std::uint64_t dst = place(std::vector<T>(x.size()));
        run(ACCEL_OP_ELEMENTWISE, {.dst = dst, .src0 = place(x)}, p);
        EXPECT_EQ(space.load<T>(dst, x.size()), expected) << +type;
    };
    convert(ACCEL_TYPE_I8,
            std::vector<std::int8_t>{-128, -128, -1, 0, 0, 1, 127, 127, 127, 127, 0});
    convert(ACCEL_TYPE_U8, std::vector<std::uint8_t>{0, 0, 0, 0, 0, 1, 127, 255, 255, 255, 0});
    convert(ACCEL_TYPE_BOOL, std::vector<std::uint8_t>{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
    convert(ACCEL_TYPE_I64,
            std::vector<std::int64_t>{INT64_MIN, -128, -1, 0, 0, 1, 127, 255, 300, INT64_MAX, 0});
    convert(ACCEL_TYPE_U64,
            std::vector<std::uint64_t>{0, 0, 0, 0, 0, 1, 127, 255, 300, UINT64_MAX, 0});
}

TEST_F(Tensor, LongTypesOfMemoryAreRoundedOrHeldToTheRangeWhenTheyAreRead) {
    const std::vector<double> wide{1.0 / 3, -1e300, 16777217.0, 0x1p-160, -2.9, 1e19};
    std::vector<float> floats(wide.size());
    card::load(ACCEL_TYPE_F64, wide.data(), wide.size(), floats.data());
    EXPECT_EQ(floats, (std::vector<float>{1.0F / 3, -INFINITY, 16777216.0F, 0, -2.9F, 1e19F}));
    std::vector<std::int64_t> whole(wide.size());
    card::load(ACCEL_TYPE_F64, wide.data(), wide.size(), whole.data());
    EXPECT_EQ(whole, (std::vector<std::int64_t>{0, INT64_MIN, 16777217, 0, -2, INT64_MAX}));
    std::vector<double> back(floats.size());
    card::store(ACCEL_TYPE_F64, floats.data(), floats.size(), back.data());
    EXPECT_EQ(back[0], static_cast<double>(1.0F / 3)) << "an f32 is an f64";
    const std::vector<std::uint64_t> counts{0, 7, std::uint64_t{1} << 63, UINT64_MAX};
    std::vector<std::int64_t> signed_counts(counts.size());
    card::load(ACCEL_TYPE_U64, counts.data(), counts.size(), signed_counts.data());
    EXPECT_EQ(signed_counts, (std::vector<std::int64_t>{0, 7, INT64_MAX, INT64_MAX}));
    card::load(ACCEL_TYPE_U64, counts.data(), counts.size(), floats.data());
    EXPECT_EQ(floats[2], 0x1p63F);
}

TEST_F(Tensor, IntegersAreAddedModuloTheirSizeAndSelectedBetween) {
    constexpr std::uint32_t element_count = 5000;
    const auto a = integers<std::int32_t>(element_count);
    const auto b = integers<std::int16_t>(element_count);
    std::vector<std::uint8_t> c(element_count);
    for (auto& flag : c) {
        flag = static_cast<std::uint8_t>(random.below(3));
    }
    accel_elementwise p{};
    p.type = ACCEL_TYPE_I64;
    p.rank = 1;
    p.dims[0] = element_count;
    p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
    p.src0_type = ACCEL_TYPE_I32;
    p.src1_type = ACCEL_TYPE_I16;
    p.dst_type = ACCEL_TYPE_I8;
    Operands operands{
        .dst = place(std::vector<std::int8_t>(element_count)), .src0 = place(a), .src1 = place(b)};
    const auto expect = [&](auto&& function) {
        run(ACCEL_OP_ELEMENTWISE, operands, p);
        const auto got = space.load<std::int8_t>(operands.dst, element_count);
        for (std::uint32_t i = 0; i < element_count; ++i) {
            ASSERT_EQ(got[i], static_cast<std::int8_t>(
                                  function(std::int64_t{a[i]}, std::int64_t{b[i]}, c[i])))
                << i << " op " << +p.op;
        }
    };
    p.op = ACCEL_EW_ADD;
    expect([](std::int64_t x, std::int64_t y, int) { return x + y; });
    p.op = ACCEL_EW_MOD;
    expect([](std::int64_t x, std::int64_t y, int) { return y == 0 ? 0 : ((x % y) + y) % y; });
    p.op = ACCEL_EW_LESS_EQUAL;
    expect([](std::int64_t x, std::int64_t y, int) { return x <= y; });
    p.op = ACCEL_EW_XOR;
    expect([](std::int64_t x, std::int64_t y, int) { return x ^ y; });
    p.op = ACCEL_EW_SELECT;
    p.src2_type = ACCEL_TYPE_BOOL;
    p.src2_strides[0] = 1;
    operands.src2 = place(c);
    expect([](std::int64_t x, std::int64_t y, int flag) { return flag != 0 ? x : y; });
}

TEST_F(Tensor, ABlockOfElementwiseMayBeAsShortAsItWas) {
    constexpr std::uint32_t old = 128;
    accel_elementwise p{};
    p.type = ACCEL_TYPE_F32;
    p.rank = 1;
    p.dims[0] = 3;
    p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
    const std::vector<float> x{1, 2, 3};
    const std::uint64_t dst = place(std::vector<float>(3));
    accel_command command =
        tensor_command(ACCEL_OP_ELEMENTWISE, {.dst = dst, .src0 = place(x), .src1 = place(x)}, p);
    command.tensor.params_size = old;
    EXPECT_EQ(queue.run(command), ACCEL_OK);
    EXPECT_EQ(space.load<float>(dst, 3), (std::vector<float>{2, 4, 6}));
    command.tensor.params_size = old - 8;
    expect_error(ACCEL_BAD_SIZE, command);
}

TEST_F(Tensor, TransposeCopiesAnyOrderStepsAndDirections) {
    for (int round = 0; round < 200; ++round) {
        accel_transpose p{};
        p.size =
            random.one_of({std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{4}, std::uint8_t{8}});
        p.rank = static_cast<std::uint8_t>(up_to(ACCEL_RANK_MAX));
        std::vector<unsigned> order(p.rank);
        for (unsigned i = 0; i < p.rank; ++i) {
            order[i] = i;
            p.dims[i] = up_to(random.below(4) == 0 ? 90 : 5);
        }
        std::shuffle(order.begin(), order.end(), std::mt19937_64(random.bits()));
        std::uint64_t dense = 1;
        std::uint64_t span = 1;
        std::uint64_t first = 0;
        for (unsigned i = p.rank; i-- > 0;) {
            p.dst_strides[i] = static_cast<std::uint32_t>(dense);
            dense *= p.dims[i];
            const unsigned d = order[i];
            const std::int64_t stride =
                static_cast<std::int64_t>(span) * (random.below(3) == 0 ? 2 : 1);
            const bool back = random.below(4) == 0;
            p.src_strides[d] = static_cast<std::uint32_t>(back ? -stride : stride);
            first += back ? static_cast<std::uint64_t>(stride) * (p.dims[d] - 1) : 0;
            span = static_cast<std::uint64_t>(stride) * p.dims[d];
        }
        if (dense > 50000 || span > 150000) {
            continue;
        }
        const auto src = integers<std::uint8_t>((span + 1) * p.size);
        const std::uint64_t from = place(src);
        const std::uint64_t to = place(std::vector<std::uint8_t>(dense * p.size));
        run(ACCEL_OP_TRANSPOSE, {.dst = to, .src0 = from + first * p.size}, p);
        const auto got = space.load<std::uint8_t>(to, dense * p.size);
        for (std::uint64_t i = 0; i < dense; ++i) {
            auto at = static_cast<std::int64_t>(first);
            for (unsigned d = 0; d < p.rank; ++d) {
                at += static_cast<std::int64_t>(i / p.dst_strides[d] % p.dims[d]) *
                      static_cast<std::int32_t>(p.src_strides[d]);
            }
            ASSERT_EQ(0, std::memcmp(&got[i * p.size],
                                     &src[static_cast<std::uint64_t>(at) * p.size], p.size))
                << "round " << round << " element " << i;
        }
    }
}

TEST_F(Tensor, GatherPicksSlicesAndElements) {
    for (int round = 0; round < 60; ++round) {
        accel_gather p{};
        p.size = 4;
        p.index_type = random.coin() ? ACCEL_TYPE_I32 : ACCEL_TYPE_I64;
        p.flags = random.coin() ? ACCEL_GATHER_ELEMENTS : 0;
        p.outer = up_to(4);
        p.n = up_to(20);
        p.count = up_to(30);
        p.inner = up_to(40);
        const bool each = p.flags != 0;
        const auto src = integers<std::uint32_t>(std::size_t{p.outer} * p.n * p.inner);
        std::vector<std::int64_t> index(each ? std::size_t{p.outer} * p.count * p.inner : p.count);
        for (std::int64_t& i : index) {
            i = static_cast<std::int64_t>(random.below(2 * p.n)) - p.n;
        }
        const std::uint64_t indices =
            p.index_type == ACCEL_TYPE_I64
                ? place(index)
                : place(std::vector<std::int32_t>(index.begin(), index.end()));
        const std::size_t count = std::size_t{p.outer} * p.count * p.inner;
        const std::uint64_t dst = place(std::vector<std::uint32_t>(count));
        run(ACCEL_OP_GATHER, {.dst = dst, .src0 = place(src), .src1 = indices}, p);
        const auto got = space.load<std::uint32_t>(dst, count);
        for (std::size_t i = 0; i < count; ++i) {
            std::int64_t at = index[each ? i : i / p.inner % p.count];
            at += at < 0 ? p.n : 0;
            const std::size_t outer = i / p.inner / p.count;
            ASSERT_EQ(got[i],
                      src[(outer * p.n + static_cast<std::size_t>(at)) * p.inner + i % p.inner]);
        }
    }
}

TEST_F(Tensor, AnIndexOutOfRangeIsAnErrorAndNothingElse) {
    accel_gather p{};
    p.size = 4;
    p.index_type = ACCEL_TYPE_I64;
    p.outer = p.count = p.inner = 1;
    p.n = 4;
    for (const std::int64_t index : {std::int64_t{4}, std::int64_t{-5}, INT64_MAX, INT64_MIN}) {
        const Operands operands{.dst = place(std::vector<std::uint32_t>(4)),
                                .src0 = place(std::vector<std::uint32_t>(4)),
                                .src1 = place(std::vector<std::int64_t>{index})};
        run(ACCEL_OP_GATHER, operands, p, ACCEL_BAD_INDEX);
    }
    accel_resize r{};
    r.type = ACCEL_TYPE_F32;
    r.taps = 1;
    r.outer = r.count = r.inner = 1;
    r.n = 4;
    const Operands operands{.dst = place(std::vector<float>(4)),
                            .src0 = place(std::vector<float>(4)),
                            .src1 = place(std::vector<std::uint32_t>{4, 0})};
    run(ACCEL_OP_RESIZE, operands, r, ACCEL_BAD_INDEX);
}

TEST_F(Tensor, ResizeSumsItsTapsInTheirOrder) {
    for (int round = 0; round < 40; ++round) {
        accel_resize p{};
        p.type = ACCEL_TYPE_F32;
        p.taps = static_cast<std::uint16_t>(up_to(4));
        p.outer = up_to(3);
        p.n = up_to(9);
        p.count = up_to(17);
        p.inner = up_to(50);
        const auto src = random.ordinary(std::size_t{p.outer} * p.n * p.inner);
        std::vector<accel_tap> table(std::size_t{p.count} * p.taps);
        for (accel_tap& tap : table) {
            tap.index = static_cast<std::uint32_t>(random.below(p.n));
            tap.weight = std::bit_cast<std::uint32_t>(random.ordinary(1)[0]);
        }
        std::vector<float> expected;
        for (std::size_t outer = 0; outer < p.outer; ++outer) {
            for (std::size_t i = 0; i < p.count; ++i) {
                for (std::size_t inner = 0; inner < p.inner; ++inner) {
                    float sum = 0;
                    for (std::size_t k = 0; k < p.taps; ++k) {
                        const accel_tap& tap = table[i * p.taps + k];
                        sum = std::fma(src[(outer * p.n + tap.index) * p.inner + inner],
                                       std::bit_cast<float>(tap.weight), sum);
                    }
                    expected.push_back(sum);
                }
            }
        }
        const std::uint64_t dst = place(std::vector<float>(expected.size()));
        run(ACCEL_OP_RESIZE, {.dst = dst, .src0 = place(src), .src1 = place(table)}, p);
        EXPECT_TRUE(same_bits(space.load<float>(dst, expected.size()), expected));
    }
}

struct Bytes {
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

// What requantizing makes of a sum.
float requantized(std::int32_t sum, const accel_channel_quant& channel) {
    const auto total = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) + channel.bias);
    return static_cast<float>(total) * std::bit_cast<float>(std::uint32_t{channel.scale});
}
std::uint8_t stored(float x, const Bytes& t) {
    const float low = t.dst == ACCEL_TYPE_I8 ? -128.0F : 0.0F;
    const float value = std::rint(x) + static_cast<float>(number(t.dst, t.dst_zero));
    return static_cast<std::uint8_t>(
        static_cast<int>(std::min(std::max(value, low), low + 255.0F)));
}

TEST_F(Tensor, BytesAreMultipliedExactlyAndRequantized) {
    for (int round = 0; round < 40; ++round) {
        const Bytes t{
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
            .dst = place(std::vector<std::uint32_t>(count)), .src0 = place(a), .src1 = place(b)};
        operands.src2 = requantize ? place(channels) : 0;
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

TEST_F(Tensor, ImagesOfBytesArePaddedWithTheirZeroPoint) {
    for (const std::uint32_t groups : {1U, 2U, 6U}) {
        const Bytes t{ACCEL_TYPE_U8, ACCEL_TYPE_I8, ACCEL_TYPE_U8, 100, 3, 7};
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
        const auto src = integers<std::uint8_t>(2 * 9 * 7 * 6);
        const auto weights = integers<std::uint8_t>(9 * depth * 6);
        std::vector<accel_channel_quant> channels(6);
        for (accel_channel_quant& channel : channels) {
            channel.bias = static_cast<std::uint32_t>(random.below(2000)) - 1000;
            channel.scale = std::bit_cast<std::uint32_t>(0.004F);
        }
        const std::uint64_t dst = place(std::vector<std::uint8_t>(src.size()));
        run(ACCEL_OP_CONV2D,
            {.dst = dst, .src0 = place(src), .src1 = place(weights), .src2 = place(channels)}, p);
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
                    const auto at = static_cast<std::size_t>(
                        ((static_cast<int>(i / 378) * 9 + row) * 7 + column) * 6 +
                        group * static_cast<int>(depth) + c);
                    const auto w =
                        static_cast<std::size_t>((tap * static_cast<int>(depth) + c) * 6 + channel);
                    sum += (number(t.a, src[at]) - 100) * (number(t.b, weights[w]) - 3);
                }
            }
            ASSERT_EQ(got[i], stored(requantized(sum, channels[i % 6]), t))
                << "groups " << groups << " element " << i;
        }
    }
}

TEST_F(Tensor, HalvesAreWidenedForAProductAndWhatWasThereIsAdded) {
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
    auto a = random.ordinary(side_length * side_length);
    auto b = random.ordinary(side_length * side_length);
    auto d = random.ordinary(side_length * side_length);
    const std::uint64_t dst = place(d);
    const std::uint64_t src0 = place(halves(ACCEL_TYPE_BF16, a));
    const std::uint64_t src1 = place(halves(ACCEL_TYPE_F16, b));
    run(ACCEL_OP_GEMM, {.dst = dst, .src0 = src0, .src1 = src1}, p);
    for (std::uint32_t i = 0; i < side_length * side_length; ++i) {
        float sum = 0;
        for (std::uint32_t k = 0; k < side_length; ++k) {
            sum = std::fma(a[i / side_length * side_length + k],
                           b[k * side_length + i % side_length], sum);
        }
        d[i] = sum + d[i];
    }
    EXPECT_TRUE(same_bits(space.load<float>(dst, d.size()), d));
}

TEST_F(Tensor, CombinationsOfTypesThatTheSheetDoesNotHaveAreRefused) {
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
