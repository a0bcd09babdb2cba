// SPDX-License-Identifier: Apache-2.0
//
// Unary operations: equal to the bits of the reference over all of f32, and within the error bounds
// of the data sheet.
#include <algorithm>
#include <functional>

#include "card_fixture.hpp"
#include "numerics/math.hpp"
#include "reference.hpp"

namespace accel::test {
namespace {

std::uint32_t bits(float x) {
    return std::bit_cast<std::uint32_t>(x);
}

// Steps over all bit patterns by a prime: every exponent, and many mantissas.
std::vector<float> all_kinds() {
    std::vector<float> values;
    for (std::uint64_t pattern = 0; pattern <= UINT32_MAX; pattern += 4099) {
        values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(pattern)));
    }
    for (const float edge : {0.625F, 1.0F, 2.0F, 0.707106781F, 88.72283F, -104.0F}) {
        for (const float to : {-1e9F, 1e9F}) {
            values.push_back(std::nextafter(edge, to));
        }
        values.push_back(edge);
    }
    return values;
}

struct UnaryCase {
    std::uint8_t kind;
    float alpha;
    float beta;
};

std::vector<UnaryCase> every_unary_op() {
    std::vector<UnaryCase> all;
    for (std::uint8_t kind = 0; kind <= ACCEL_UNARY_ATANH; ++kind) {
        // The data sheet gives these an error bound, not their bits.
        if ((kind >= ACCEL_UNARY_SIN && kind <= ACCEL_UNARY_ATAN) || kind >= ACCEL_UNARY_TAN) {
            continue;
        }
        UnaryCase unary{.kind = kind, .alpha = 0, .beta = 0};
        switch (kind) {
            case ACCEL_UNARY_CLIP:
                unary.alpha = -1.5F;
                unary.beta = 6.0F;
                break;
            case ACCEL_UNARY_HARD_SIGMOID:
                unary.alpha = 0.2F;
                unary.beta = 0.5F;
                break;
            case ACCEL_UNARY_LEAKY_RELU:
            case ACCEL_UNARY_ELU:
                unary.alpha = 0.01F;
                break;
            default:
                break;
        }
        all.push_back(unary);
    }
    return all;
}

TEST(UnaryOperation, EqualTheReferenceOverAllOfF32) {
    const auto x = all_kinds();
    for (const UnaryCase& unary : every_unary_op()) {
        const card::UnaryOp activation(unary.kind, bits(unary.alpha), bits(unary.beta));
        EXPECT_TRUE(activation.valid());
        auto got = x;
        card::apply_unary(got.data(), got.size(), activation);
        std::vector<float> expected;
        expected.reserve(x.size());
        for (const float value : x) {
            expected.push_back(
                reference::activate(value, unary.kind, bits(unary.alpha), bits(unary.beta)));
        }
        EXPECT_TRUE(same_bits(got, expected)) << +unary.kind;
    }
}

double error_in_units(float got, long double right) {
    int exponent = 0;
    (void)std::frexp(right, &exponent);
    const long double unit = std::ldexp(1.0L, std::max(exponent - 24, -149));
    return static_cast<double>(std::abs(got - right) / unit);
}

// The largest error, in units in the last place of the exact value, and its argument.
double worst_error(float (*function)(float), long double (*exact)(long double), float from,
                   float to) {
    double worst = 0;
    for (const float x : all_kinds()) {
        if (!(x >= from && x <= to)) {
            continue;
        }
        worst = std::max(worst, error_in_units(function(x), exact(x)));
    }
    return worst;
}

long double exact_sigmoid(long double x) {
    return 1 / (1 + std::exp(-x));
}

long double exact_softplus(long double x) {
    return std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x)));
}
long double exact_gelu(long double x) {
    return 0.5L * x * std::erfc(-x / std::sqrt(2.0L));
}

TEST(UnaryOperation, FunctionsAreWithinTheirErrorBounds) {
    EXPECT_LE(worst_error(
                  card::log_f32, [](long double x) { return std::log(x); }, 1e-40F, 3e38F),
              2.0);
    EXPECT_LE(worst_error(
                  card::tanh_f32, [](long double x) { return std::tanh(x); }, -100, 100),
              2.0);
    EXPECT_LE(worst_error(
                  card::erf_f32, [](long double x) { return std::erf(x); }, -100, 100),
              3.0);
    EXPECT_LE(worst_error(card::sigmoid, exact_sigmoid, -80, 80), 3.0);
    EXPECT_LE(worst_error(card::softplus, exact_softplus, -104, 3e38F), 3.0);
    EXPECT_LE(worst_error(card::exp_minus_one, std::expm1, -3e38F, 0), 2.0);
    EXPECT_LE(worst_error(card::gelu, exact_gelu, -13, 1e38F), 16.0);
}

TEST(UnaryOperation, TrigonometricAndHyperbolicFunctionsAreWithinOneUnit) {
    constexpr float most = std::numeric_limits<float>::max();
    const auto expect = [](const char* name, float (*function)(float),
                           long double (*exact)(long double), float from, float to) {
        EXPECT_LE(worst_error(function, exact, from, to), 1.0) << name;
    };
    expect("sin", card::sin_f32, std::sin, -1e6F, 1e6F);
    expect("cos", card::cos_f32, std::cos, -1e6F, 1e6F);
    expect("tan", card::tan_f32, std::tan, -1e6F, 1e6F);
    expect("asin", card::asin_f32, std::asin, -1, 1);
    expect("acos", card::acos_f32, std::acos, -1, 1);
    expect("atan", card::atan_f32, std::atan, -most, most);
    expect("sinh", card::sinh_f32, std::sinh, -89, 89);
    expect("cosh", card::cosh_f32, std::cosh, -89, 89);
    expect("asinh", card::asinh_f32, std::asinh, -most, most);
    expect("acosh", card::acosh_f32, std::acosh, 1, most);
    expect("atanh", card::atanh_f32, std::atanh, -1, 1);
}

TEST(UnaryOperation, FunctionsOutsideOfTheirDomainGiveNaNsAndInfinities) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    EXPECT_TRUE(std::isnan(card::asin_f32(1.5F)) && std::isnan(card::acos_f32(-1.5F)));
    EXPECT_TRUE(std::isnan(card::acosh_f32(0.5F)) && std::isnan(card::atanh_f32(2)));
    EXPECT_EQ(card::atanh_f32(1), infinity);
    EXPECT_EQ(card::atanh_f32(-1), -infinity);
    EXPECT_EQ(card::sinh_f32(-100), -infinity);
    EXPECT_EQ(card::asinh_f32(infinity), infinity);
    EXPECT_EQ(card::softplus(infinity), infinity);
    EXPECT_EQ(card::softplus(-infinity), 0);
    EXPECT_EQ(card::exp_minus_one(-infinity), -1);
}

TEST(UnaryOperation, PowersAreWithinTheirErrorBounds) {
    Random random(17);
    for (int i = 0; i < 100000; ++i) {
        const float x = std::exp(random.ordinary(1)[0]);
        const float y = random.ordinary(1)[0];
        EXPECT_LE(error_in_units(card::pow_f32(x, y), std::pow<long double>(x, y)), 1.0)
            << x << " to the power of " << y;
    }
    EXPECT_EQ(card::pow_f32(-2.0F, 3.0F), -8.0F);
    EXPECT_EQ(card::pow_f32(0.0F, 0.0F), 1.0F);
    EXPECT_TRUE(std::isnan(card::pow_f32(-2.0F, 0.5F)));
}

class UnaryCommand : public CardTest {
  protected:
    accel_elementwise vector(std::uint32_t n, const UnaryCase& unary) {
        accel_elementwise p{};
        p.type = ACCEL_TYPE_F32;
        p.op = ACCEL_EW_IDENTITY;
        p.activation = unary.kind;
        p.alpha = bits(unary.alpha);
        p.beta = bits(unary.beta);
        p.rank = 1;
        p.dims[0] = n;
        p.dst_strides[0] = p.src0_strides[0] = 1;
        return p;
    }
    Random random{11};
};

TEST_F(UnaryCommand, EachAppliesToOneSource) {
    const auto x = random.values(5000);
    const std::uint64_t src = space.allocate(x.size() * 4);
    const std::uint64_t dst = space.allocate(x.size() * 4);
    space.store(src, x);
    for (const UnaryCase& unary : every_unary_op()) {
        const accel_elementwise p = vector(5000, unary);
        ASSERT_EQ(queue.run(tensor_command(ACCEL_OP_ELEMENTWISE,
                                           {.dst = dst, .src0 = src, .src1 = 0, .src2 = 0}, p)),
                  ACCEL_OK);
        std::vector<float> expected;
        expected.reserve(x.size());
        for (const float value : x) {
            expected.push_back(reference::activate(value, p.activation, p.alpha, p.beta));
        }
        EXPECT_TRUE(same_bits(space.load<float>(dst, x.size()), expected)) << +unary.kind;
    }
}

TEST_F(UnaryCommand, UnknownNumbersAreRefused) {
    const std::uint64_t memory = space.allocate(page_size);
    const auto run = [&](const accel_elementwise& p, std::uint64_t src1) {
        expect_error(ACCEL_BAD_FIELD,
                     tensor_command(ACCEL_OP_ELEMENTWISE,
                                    {.dst = memory, .src0 = memory, .src1 = src1, .src2 = 0}, p));
    };
    run(vector(4, {.kind = ACCEL_UNARY_RELU, .alpha = 1, .beta = 0}), 0);
    run(vector(4, {.kind = ACCEL_UNARY_LEAKY_RELU, .alpha = 1, .beta = 1}), 0);
    run(vector(4, {.kind = ACCEL_UNARY_ATANH + 1, .alpha = 0, .beta = 0}), 0);
    run(vector(4, {.kind = ACCEL_UNARY_TANH, .alpha = 0, .beta = 0}),
        memory);  // IDENTITY has no src1
}

}  // namespace
}  // namespace accel::test
