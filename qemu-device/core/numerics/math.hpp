// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The arithmetic that section 6 of the data sheet specifies, to the bit.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "accel_hw.h"

namespace accel::card {

// For functions that are inlined into loops, so that the compiler can vectorize the loops, also for
// several instruction sets (vectorize.hpp). They avoid branches where that matters.
#define ACCEL_INLINE [[gnu::always_inline]] inline

// 2^n for the exponents of normal numbers.
ACCEL_INLINE float power_of_two(int n) {
    return std::bit_cast<float>((n + 127) << 23);
}

// (exp(r) - 1 - r) / (r * r) for |r| <= log(2) / 2.
ACCEL_INLINE float exp_polynomial(float r) {
    float p = 1.9875691500e-4F;
    p = std::fma(p, r, 1.3981999507e-3F);
    p = std::fma(p, r, 8.3334519073e-3F);
    p = std::fma(p, r, 4.1665795894e-2F);
    p = std::fma(p, r, 1.6666665459e-1F);
    return std::fma(p, r, 5.0000001201e-1F);
}

// exp(x) with a single rounding at its end; the exponential of a NaN is a NaN.
ACCEL_INLINE float exp_f32(float x) {
    constexpr float high = 88.72283F;
    constexpr float low = -104.0F;
    const float clamped = x > high ? high : x < low ? low : x;
    const float n = std::rint(clamped * 1.44269502F);
    float r = std::fma(n, -0.693359375F, clamped);
    r = std::fma(n, 2.12194440e-4F, r);
    const float p = std::fma(exp_polynomial(r), r * r, r) + 1.0F;
    // Multiplies by 2^n in two factors. The first product is exact, so one rounding remains, as in
    // ldexp().
    const int exponent = static_cast<int>(n == n ? n : 0.0F);
    const int half = exponent >> 1;
    const float scaled = p * power_of_two(half) * power_of_two(exponent - half);
    return x > high ? std::numeric_limits<float>::infinity() : x < low ? 0.0F : scaled;
}

// The greater and the lesser of two numbers: a NaN if either is one; -0 is less than +0.
ACCEL_INLINE float maximum(float a, float b) {
    const auto both =
        std::bit_cast<float>(std::bit_cast<std::uint32_t>(a) & std::bit_cast<std::uint32_t>(b));
    const float best = a == b ? both : a > b ? a : b;
    return a != a ? a : best;
}
ACCEL_INLINE float minimum(float a, float b) {
    const auto both =
        std::bit_cast<float>(std::bit_cast<std::uint32_t>(a) | std::bit_cast<std::uint32_t>(b));
    const float best = a == b ? both : a < b ? a : b;
    return a != a ? a : best;
}

ACCEL_INLINE std::int64_t maximum(std::int64_t a, std::int64_t b) {
    return a > b ? a : b;
}
ACCEL_INLINE std::int64_t minimum(std::int64_t a, std::int64_t b) {
    return a < b ? a : b;
}

ACCEL_INLINE float relu(float x) {
    return x < 0.0F ? 0.0F : x;
}

// Evaluates a polynomial from the highest power down, with one rounding for each term.
template <std::size_t N>
ACCEL_INLINE float polynomial(float x, const float (&coefficients)[N]) {
    float sum = coefficients[0];
    for (std::size_t i = 1; i < N; ++i) {
        sum = std::fma(sum, x, coefficients[i]);
    }
    return sum;
}

// log(1 + r) + n log(2) for 1 + r from sqrt(0.5) to sqrt(2).
ACCEL_INLINE float log_sum(float r, float n) {
    static constexpr float coefficients[] = {
        7.0376836292e-2F,  -1.1514610310e-1F, 1.1676998740e-1F,
        -1.2420140846e-1F, 1.4249322787e-1F,  -1.6668057665e-1F,
        2.0000714765e-1F,  -2.4999993993e-1F, 3.3333331174e-1F};
    const float z = r * r;
    float y = polynomial(r, coefficients) * r * z;
    y = std::fma(n, -2.12194440e-4F, y);
    y = std::fma(z, -0.5F, y);
    return std::fma(n, 0.693359375F, r + y);
}

ACCEL_INLINE float log_f32(float x) {
    if (std::isnan(x) || x < 0.0F) {
        return std::numeric_limits<float>::quiet_NaN();
    }
    if (x == 0.0F) {
        return -std::numeric_limits<float>::infinity();
    }
    if (std::isinf(x)) {
        return x;
    }
    int exponent = 0;
    float m = std::frexp(x, &exponent);  // 0.5 .. 1
    if (m < 0.707106781F) {
        m = m + m;
        --exponent;
    }
    return log_sum(m - 1.0F, static_cast<float>(exponent));
}

ACCEL_INLINE float sigmoid(float x) {
    return 1.0F / (1.0F + exp_f32(-x));
}

ACCEL_INLINE float tanh_f32(float x) {
    const float a = std::fabs(x);
    if (a < 0.625F) {
        static constexpr float coefficients[] = {-5.70498872745e-3F, 2.06390887954e-2F,
                                                 -5.37397155531e-2F, 1.33314422036e-1F,
                                                 -3.33332819422e-1F};
        const float z = x * x;
        return std::fma(polynomial(z, coefficients) * z, x, x);
    }
    return std::copysign(1.0F - 2.0F / (exp_f32(a + a) + 1.0F), x);
}

// (1 - erf(a)) / exp(-a * a) for a >= 1, times `factor`.
ACCEL_INLINE float erf_rest(float a, float factor) {
    static constexpr float near[] = {
        2.326819970068386e-2F,  -1.387039388740657e-1F, 3.687424674597105e-1F,
        -5.824733027278666e-1F, 6.210004621745983e-1F,  -4.944515323274145e-1F,
        3.404879937665872e-1F,  -2.741127028184656e-1F, 5.638259427386472e-1F};
    static constexpr float far[] = {-1.047766399936249e+1F, 1.297719955372516e+1F,
                                    -7.495518717768503e+0F, 2.921019019210786e+0F,
                                    -1.015265279202700e+0F, 4.218463358204948e-1F,
                                    -2.820767439740514e-1F, 5.641895067754075e-1F};
    const float q = 1.0F / a;
    const float y = q * q;
    const float p = a < 2.0F ? polynomial(y, near) : polynomial(y, far);
    return factor * q * p;
}

// erf(x) for |x| < 1.
ACCEL_INLINE float erf_near_zero(float x) {
    static constexpr float coefficients[] = {7.853861353153693e-5F, -8.010193625184903e-4F,
                                             5.188327685732524e-3F, -2.685381193529856e-2F,
                                             1.128358514861418e-1F, -3.761262582423300e-1F,
                                             1.128379165726710e+0F};
    return x * polynomial(x * x, coefficients);
}

ACCEL_INLINE float erf_f32(float x) {
    const float a = std::fabs(x);
    if (a < 1.0F) {
        return erf_near_zero(x);
    }
    return std::isnan(x) ? x : std::copysign(1.0F - erf_rest(a, exp_f32(-(a * a))), x);
}

// The sum 1 + erf(t) would cancel for t far below zero, and the rounding of x * x / 2 would
// multiply.
ACCEL_INLINE float gelu(float x) {
    const float t = x * 0.707106781F;
    const float a = std::fabs(t);
    float sum = 1.0F + erf_near_zero(t);
    if (!(a < 1.0F)) {
        const float half_square = 0.5F * x * x;
        const float power = exp_f32(-half_square);
        const float left = std::fma(0.5F * x, x, -half_square);
        const float rest = erf_rest(a, power == 0.0F ? 0.0F : std::fma(power, -left, power));
        sum = t < 0.0F ? rest : 1.0F + (1.0F - rest);
    }
    return 0.5F * x * sum;
}

// exp(x) - 1 for x <= 0, without the cancellation near zero.
ACCEL_INLINE float exp_minus_one(float x) {
    constexpr float low = -30.0F;  // the result rounds to -1
    const float clamped = x < low ? low : x;
    const float n = std::rint(clamped * 1.44269502F);
    float r = std::fma(n, -0.693359375F, clamped);
    r = std::fma(n, 2.12194440e-4F, r);
    const float p = std::fma(exp_polynomial(r), r * r, r);
    const float scale = power_of_two(static_cast<int>(n == n ? n : 0.0F));
    return std::fma(p, scale, scale - 1.0F);
}

// max(x, 0) + log(1 + exp(-|x|)), without forming 1 + exp(-|x|).
ACCEL_INLINE float softplus(float x) {
    const float u = exp_f32(-std::fabs(x));
    const bool small = u < 0.414213562F;
    const float r = small ? u : 0.5F * (u - 1.0F);
    return maximum(x, 0.0F) + log_sum(r, small ? 0.0F : 1.0F);
}

// These are computed in double precision and rounded: the error is within one unit in the last
// place.
#define ACCEL_BY_DOUBLE(name)                                         \
    inline float name##_f32(float x) {                                \
        return static_cast<float>(std::name(static_cast<double>(x))); \
    }
ACCEL_BY_DOUBLE(sin)
ACCEL_BY_DOUBLE(cos)
ACCEL_BY_DOUBLE(tan)
ACCEL_BY_DOUBLE(asin)
ACCEL_BY_DOUBLE(acos)
ACCEL_BY_DOUBLE(atan)
ACCEL_BY_DOUBLE(sinh)
ACCEL_BY_DOUBLE(cosh)
ACCEL_BY_DOUBLE(asinh)
ACCEL_BY_DOUBLE(acosh)
ACCEL_BY_DOUBLE(atanh)
#undef ACCEL_BY_DOUBLE
inline float pow_f32(float x, float y) {
    return static_cast<float>(std::pow(static_cast<double>(x), static_cast<double>(y)));
}

ACCEL_INLINE float sign(float x) {
    return std::isnan(x)
               ? x
               : static_cast<float>(static_cast<int>(x > 0.0F) - static_cast<int>(x < 0.0F));
}

ACCEL_INLINE float clamp_unit(float x) {
    return x < 0.0F ? 0.0F : x > 1.0F ? 1.0F : x;
}

// A unary operation, such as an activation, and its two parameters.
struct UnaryOp {
    std::uint8_t kind = ACCEL_UNARY_NONE;
    float alpha = 0;
    float beta = 0;

    UnaryOp() = default;
    UnaryOp(std::uint8_t op, std::uint32_t first, std::uint32_t second)
        : kind(op), alpha(std::bit_cast<float>(first)), beta(std::bit_cast<float>(second)) {}

    // Whether the operation is known, and parameters that it does not use are zero.
    [[nodiscard]] bool valid() const {
        const bool first = kind == ACCEL_UNARY_CLIP || kind == ACCEL_UNARY_LEAKY_RELU ||
                           kind == ACCEL_UNARY_HARD_SIGMOID || kind == ACCEL_UNARY_ELU;
        const bool second = kind == ACCEL_UNARY_CLIP || kind == ACCEL_UNARY_HARD_SIGMOID;
        return kind <= ACCEL_UNARY_ATANH && (first || std::bit_cast<std::uint32_t>(alpha) == 0) &&
               (second || std::bit_cast<std::uint32_t>(beta) == 0);
    }
    // Whether it is charged as a special function: it needs more than a comparison and a product.
    [[nodiscard]] bool special() const {
        return (kind >= ACCEL_UNARY_SQRT && kind <= ACCEL_UNARY_ATAN) || kind >= ACCEL_UNARY_TAN;
    }
    // Whether it is defined for integers.
    [[nodiscard]] bool for_integers() const {
        return kind == ACCEL_UNARY_NONE || kind == ACCEL_UNARY_RELU || kind == ACCEL_UNARY_ABS ||
               kind == ACCEL_UNARY_NEG || kind == ACCEL_UNARY_SIGN || kind == ACCEL_UNARY_NOT;
    }
};

// Replaces every value, in rows of `columns`, by exp(value - peaks[column]).
void exponentials(float* values, std::size_t rows, std::size_t columns, const float* peaks);

// Applies an operation to every value.
void apply_unary(float* values, std::size_t count, const UnaryOp& op);
void apply_unary(std::int64_t* values, std::size_t count, const UnaryOp& op);

}  // namespace accel::card
