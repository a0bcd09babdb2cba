// SPDX-License-Identifier: Apache-2.0
//
// Data types other than f32: conversion, integer arithmetic, and old parameter blocks.
#include <cmath>

#include "commands/data_type.hpp"
#include "tensor_fixture.hpp"

namespace accel::test {
namespace {

class DataTypes : public TensorTest {};

TEST_F(DataTypes, EveryHalfRoundTripsThroughF32) {
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

TEST_F(DataTypes, FloatsAreTruncatedToIntegersAndSaturated) {
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
        const std::uint64_t dst = upload(std::vector<T>(x.size()));
        run(ACCEL_OP_ELEMENTWISE, {.dst = dst, .src0 = upload(x)}, p);
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

TEST_F(DataTypes, LongTypesAreRoundedOrSaturatedWhenTheyAreRead) {
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

TEST_F(DataTypes, IntegerArithmeticWrapsAtTheSizeOfTheResult) {
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
    Operands operands{.dst = upload(std::vector<std::int8_t>(element_count)),
                      .src0 = upload(a),
                      .src1 = upload(b)};
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
    operands.src2 = upload(c);
    expect([](std::int64_t x, std::int64_t y, int flag) { return flag != 0 ? x : y; });
}

TEST_F(DataTypes, AParameterBlockMayHaveTheFirstVersionsSize) {
    constexpr std::uint32_t old = 128;
    accel_elementwise p{};
    p.type = ACCEL_TYPE_F32;
    p.rank = 1;
    p.dims[0] = 3;
    p.dst_strides[0] = p.src0_strides[0] = p.src1_strides[0] = 1;
    const std::vector<float> x{1, 2, 3};
    const std::uint64_t dst = upload(std::vector<float>(3));
    accel_command command =
        tensor_command(ACCEL_OP_ELEMENTWISE, {.dst = dst, .src0 = upload(x), .src1 = upload(x)}, p);
    command.tensor.params_size = old;
    EXPECT_EQ(queue.run(command), ACCEL_OK);
    EXPECT_EQ(space.load<float>(dst, 3), (std::vector<float>{2, 4, 6}));
    command.tensor.params_size = old - 8;
    expect_error(ACCEL_BAD_SIZE, command);
}

}  // namespace
}  // namespace accel::test
