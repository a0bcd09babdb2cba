// SPDX-License-Identifier: Apache-2.0
//
// The small types against their tables: floats of 8 and 4 bits, powers of two, integers of 4 and 2
// bits, and the unpacking of packed elements.
#include <bit>
#include <cmath>
#include <limits>

#include "commands/data_type.hpp"
#include "tensor_fixture.hpp"

namespace accel::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// A row of the data sheet's table.
struct Format {
    std::uint8_t type;
    int exponent_bits;
    int mantissa_bits;
    int bias;
    unsigned largest;  // the code
    double overflow;   // what a number that is too large becomes: infinity, NaN, or the largest
    bool unsigned_zero;

    [[nodiscard]] unsigned sign() const { return 1U << (exponent_bits + mantissa_bits); }
    [[nodiscard]] double value(unsigned code) const {
        const unsigned magnitude = code & (sign() - 1);
        const int exponent = static_cast<int>(magnitude >> mantissa_bits);
        const auto mantissa = static_cast<int>(magnitude & ((1U << mantissa_bits) - 1));
        const double steps = exponent == 0 ? mantissa : mantissa + (1 << mantissa_bits);
        const double size = std::ldexp(steps, std::max(exponent, 1) - bias - mantissa_bits);
        return (code & sign()) != 0 ? -size : size;
    }
    // The nearest of all codes; of two, the one with an even mantissa.
    [[nodiscard]] double rounded(double x) const {
        // The next number that larger exponents would give.
        const double beyond = value(largest) + (value(largest) - value(largest - 1));
        const double size = std::fabs(x);
        if (size > (value(largest) + beyond) / 2 ||
            (size == (value(largest) + beyond) / 2 && largest % 2 != 0)) {
            return std::isnan(overflow) ? NAN : std::copysign(overflow, x);
        }
        unsigned best = 0;
        for (unsigned code = 1; code <= largest; ++code) {
            const double distance = std::fabs(value(code) - size);
            const double least = std::fabs(value(best) - size);
            if (distance < least || (distance == least && code % 2 == 0)) {
                best = code;
            }
        }
        return value(best) == 0 && unsigned_zero ? 0 : std::copysign(value(best), x);
    }
};

const std::vector<Format> formats{{ACCEL_TYPE_F8E4M3FN, 4, 3, 7, 0x7e, NAN, false},
                                  {ACCEL_TYPE_F8E4M3FNUZ, 4, 3, 8, 0x7f, NAN, true},
                                  {ACCEL_TYPE_F8E5M2, 5, 2, 15, 0x7b, infinity, false},
                                  {ACCEL_TYPE_F8E5M2FNUZ, 5, 2, 16, 0x7f, NAN, true},
                                  {ACCEL_TYPE_F4E2M1, 2, 1, 1, 0x07, 6, false}};

float loaded(std::uint8_t type, unsigned code) {
    const auto byte = static_cast<std::uint8_t>(code);
    float x = 0;
    card::load(type, &byte, 1, &x);
    return x;
}
template <typename Number>
std::uint8_t stored(std::uint8_t type, Number x) {
    std::uint8_t byte = 0;
    card::store(type, &x, 1, &byte);
    return byte;
}
void expect_same(double got, double expected, const std::string& what) {
    if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(got)) << what << " is " << got;
        return;
    }
    ASSERT_EQ(got, expected) << what;
    ASSERT_EQ(std::signbit(got), std::signbit(expected)) << what;
}

TEST(SmallTypes, EveryCodeHasTheValueOfTheTableAndComesBack) {
    for (const Format& format : formats) {
        for (unsigned code = 0; code < 2 * format.sign(); ++code) {
            const float x = loaded(format.type, code);
            const unsigned magnitude = code & (format.sign() - 1);
            const bool zero_as_nan = format.unsigned_zero && code == format.sign();
            const double special =
                magnitude == format.largest + 1 ? std::copysign(format.overflow, x) : NAN;
            expect_same(x,
                        magnitude > format.largest ? special
                        : zero_as_nan              ? NAN
                                                   : format.value(code),
                        "code " + std::to_string(code) + " of type " + std::to_string(format.type));
            if (!std::isnan(x)) {
                EXPECT_EQ(stored(format.type, x), code) << +format.type;
            }
        }
        EXPECT_EQ(loaded(format.type, 1),
                  loaded(format.type, format.type == ACCEL_TYPE_F4E2M1 ? 0xf1 : 1))
            << "the upper bits of four have no meaning";
    }
}

TEST(SmallTypes, NumbersRoundToTheNearestCodeHalfToEven) {
    Random random(1);
    for (const Format& format : formats) {
        std::vector<float> numbers{0.0F,  -0.0F,  INFINITY, -INFINITY,
                                   1e30F, -1e30F, 1e-30F,   -1e-30F};
        for (unsigned code = 0; code <= format.largest; ++code) {
            const auto middle =
                static_cast<float>((format.value(code) + format.value(code + 1)) / 2);
            for (const float x : {middle, std::nextafter(middle, 0.0F),
                                  std::nextafter(middle, std::numeric_limits<float>::infinity())}) {
                numbers.push_back(x);
                numbers.push_back(-x);
            }
        }
        for (int i = 0; i < 2000; ++i) {
            const auto bits = static_cast<std::uint32_t>(random.below(UINT32_MAX));
            numbers.push_back(std::bit_cast<float>(bits));
        }
        for (const float x : numbers) {
            if (!std::isnan(x)) {
                expect_same(loaded(format.type, stored(format.type, x)), format.rounded(x),
                            std::to_string(x) + " as type " + std::to_string(format.type));
            }
        }
    }
    EXPECT_EQ(stored(ACCEL_TYPE_F8E4M3FN, -NAN), 0xff);
    EXPECT_EQ(stored(ACCEL_TYPE_F8E4M3FNUZ, -NAN), 0x80);
    EXPECT_EQ(stored(ACCEL_TYPE_F8E5M2, NAN), 0x7e);
    EXPECT_EQ(stored(ACCEL_TYPE_F8E5M2FNUZ, NAN), 0x80);
    EXPECT_EQ(stored(ACCEL_TYPE_F4E2M1, NAN), 0x08);
    EXPECT_EQ(stored(ACCEL_TYPE_F8E5M2, std::int64_t{7}), stored(ACCEL_TYPE_F8E5M2, 7.0F));
}

TEST(SmallTypes, PowersOfTwoAreRoundedUp) {
    for (unsigned code = 0; code < 0xff; ++code) {
        const float x = loaded(ACCEL_TYPE_F8E8M0, code);
        EXPECT_EQ(x, std::ldexp(1.0, static_cast<int>(code) - 127));
        EXPECT_EQ(stored(ACCEL_TYPE_F8E8M0, x), code);
        EXPECT_EQ(stored(ACCEL_TYPE_F8E8M0, -x), code);
        EXPECT_EQ(stored(ACCEL_TYPE_F8E8M0, std::nextafter(x, INFINITY)), code + 1);
    }
    EXPECT_EQ(stored(ACCEL_TYPE_F8E8M0, 0.0F), 0);
    EXPECT_EQ(stored(ACCEL_TYPE_F8E8M0, 1e-44F), 0);
    EXPECT_EQ(stored(ACCEL_TYPE_F8E8M0, INFINITY), 0xff);
    EXPECT_EQ(stored(ACCEL_TYPE_F8E8M0, NAN), 0xff);
    EXPECT_TRUE(std::isnan(loaded(ACCEL_TYPE_F8E8M0, 0xff)));
}

TEST(SmallTypes, SmallIntegersAreTheLowBitsOfTheirByte) {
    struct Integer {
        std::uint8_t type;
        int low;
        int high;
    };
    for (const auto& [type, low, high] : {Integer{ACCEL_TYPE_I4, -8, 7},
                                          {ACCEL_TYPE_U4, 0, 15},
                                          {ACCEL_TYPE_I2, -2, 1},
                                          {ACCEL_TYPE_U2, 0, 3}}) {
        const int count = high - low + 1;
        for (int byte = 0; byte < 256; ++byte) {
            const int bits = byte % count;
            const int expected = bits > high ? bits - count : bits;
            EXPECT_EQ(loaded(type, static_cast<unsigned>(byte)), static_cast<float>(expected));
            EXPECT_EQ(stored(type, std::int64_t{byte} - 128),
                      stored(type, std::int64_t{(byte - 128) & (count - 1)}));
        }
        for (const float x : {-1e9F, -100.5F, -3.9F, -0.9F, 0.9F, 2.7F, 99.0F, 1e20F}) {
            const float clamped = std::clamp(x, static_cast<float>(low), static_cast<float>(high));
            EXPECT_EQ(loaded(type, stored(type, x)), std::trunc(clamped)) << x << " " << +type;
        }
        EXPECT_EQ(stored(type, NAN), 0);
    }
    EXPECT_EQ(stored(ACCEL_TYPE_I4, std::int64_t{0x1d}), 0xfd);
    EXPECT_EQ(stored(ACCEL_TYPE_U4, std::int64_t{0x1d}), 0x0d);
}

class SmallTypeCommands : public TensorTest {};

TEST_F(SmallTypeCommands, AShiftUnpacksElementsOfFourBits) {
    constexpr std::uint32_t bytes = 1000;
    const auto packed = integers<std::uint8_t>(bytes);
    accel_elementwise p{};
    p.type = ACCEL_TYPE_I64;
    p.op = ACCEL_EW_SHIFT_RIGHT;
    p.rank = 2;
    p.dst_type = ACCEL_TYPE_I4;
    p.src0_type = p.src1_type = ACCEL_TYPE_U8;
    p.dims[0] = 2;
    p.dims[1] = bytes;
    p.dst_strides[0] = bytes;
    p.dst_strides[1] = p.src0_strides[1] = p.src1_strides[0] = 1;
    const std::uint64_t dst = upload(std::vector<std::int8_t>(std::size_t{2} * bytes));
    run(ACCEL_OP_ELEMENTWISE,
        {.dst = dst, .src0 = upload(packed), .src1 = upload(std::vector<std::uint8_t>{0, 4})}, p);
    const auto got = space.load<std::int8_t>(dst, std::size_t{2} * bytes);
    const auto sign_extended = [](int bits) { return bits > 7 ? bits - 16 : bits; };
    for (std::uint32_t i = 0; i < bytes; ++i) {
        ASSERT_EQ(got[i], sign_extended(packed[i] % 16)) << i;
        ASSERT_EQ(got[bytes + i], sign_extended(packed[i] / 16)) << i;
    }
}

TEST_F(SmallTypeCommands, AreRefusedOutsideOfElementwise) {
    const std::uint64_t memory = upload(std::vector<float>(64));
    for (unsigned type = ACCEL_TYPE_F8E4M3FN; type <= ACCEL_TYPE_U2; ++type) {
        accel_gemm p{};
        p.type = static_cast<std::uint8_t>(type);
        p.m = p.n = p.k = p.lda = p.ldb = p.ldd = 2;
        expect_error(
            ACCEL_BAD_FIELD,
            tensor_command(ACCEL_OP_GEMM, {.dst = memory, .src0 = memory, .src1 = memory}, p));
        p.type = ACCEL_TYPE_F32;
        p.format.src1_type = static_cast<std::uint8_t>(type);
        expect_error(
            ACCEL_BAD_FIELD,
            tensor_command(ACCEL_OP_GEMM, {.dst = memory, .src0 = memory, .src1 = memory}, p));
    }
}

}  // namespace
}  // namespace accel::test
