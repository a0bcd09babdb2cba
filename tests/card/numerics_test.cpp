// SPDX-License-Identifier: Apache-2.0
//
// exp over the whole range of f32: equal to the reference, and within its error bound.
#include <algorithm>

#include "card_fixture.hpp"
#include "numerics/math.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

std::uint32_t bits(float x) {
    return std::bit_cast<std::uint32_t>(x);
}

TEST(Numerics, ExpIsWithinTwoUnitsInTheLastPlace) {
    double worst = 0;
    // Steps by a prime: every exponent, and many mantissas. 4.4 million values.
    for (std::uint64_t pattern = 0; pattern <= UINT32_MAX; pattern += 977) {
        const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
        const float got = card::exp_f32(x);
        const float expected = reference::exp(x);
        if (std::isnan(x)) {
            ASSERT_TRUE(std::isnan(got) && std::isnan(expected));
            continue;
        }
        ASSERT_EQ(bits(got), bits(expected)) << x;
        const double exact = std::exp(static_cast<double>(x));
        if (!std::isinf(got)) {
            int exponent = 0;
            (void)std::frexp(exact, &exponent);
            const double unit = std::ldexp(1.0, std::max(exponent - 24, -149));
            worst = std::max(worst, std::abs(got - exact) / unit);
        }
    }
    RecordProperty("worst", std::to_string(worst));
    EXPECT_LE(worst, 2.0);
}

TEST(Numerics, ExpOverflowsAndUnderflowsAtItsLimits) {
    const float infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(bits(card::exp_f32(0.0F)), bits(1.0F));
    EXPECT_EQ(bits(card::exp_f32(-0.0F)), bits(1.0F));
    EXPECT_EQ(card::exp_f32(infinity), infinity);
    EXPECT_EQ(bits(card::exp_f32(-infinity)), bits(0.0F));
    EXPECT_EQ(card::exp_f32(std::nextafter(88.72283F, 100.0F)), infinity);
    EXPECT_TRUE(std::isfinite(card::exp_f32(88.72283F)));
    EXPECT_EQ(bits(card::exp_f32(std::nextafter(-104.0F, -200.0F))), bits(0.0F));
    EXPECT_EQ(bits(card::exp_f32(-103.0F)), 1U);  // the smallest subnormal
    EXPECT_TRUE(std::isnan(card::exp_f32(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace
}  // namespace accel::test
