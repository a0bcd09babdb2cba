// SPDX-License-Identifier: Apache-2.0
//
// The functions of the reference: special functions, unary and elementwise operations.
#include "reference.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace accel::reference {

float exp(float x) {
    if (std::isnan(x)) {
        return std::numeric_limits<float>::quiet_NaN();
    }
    if (x > 88.72283F) {
        return std::numeric_limits<float>::infinity();
    }
    if (x < -104.0F) {
        return 0.0F;
    }
    const float n = std::rint(x * 1.44269502F);
    const float r = std::fma(n, 2.12194440e-4F, std::fma(n, -0.693359375F, x));
    constexpr std::array coefficients{1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F,
                                      1.6666665459e-1F, 5.0000001201e-1F};
    float p = 1.9875691500e-4F;
    for (const float coefficient : coefficients) {
        p = std::fma(p, r, coefficient);
    }
    p = std::fma(p, r * r, r) + 1.0F;
    // The scaling is exact in double, so that the conversion is the only rounding.
    return static_cast<float>(std::ldexp(static_cast<double>(p), static_cast<int>(n)));
}

namespace {

// Coefficients from the highest power down, with one fused multiply-add for each.
float horner(float x, const std::vector<float>& c) {
    float p = c[0];
    for (std::size_t i = 1; i < c.size(); ++i) {
        p = std::fma(p, x, c[i]);
    }
    return p;
}

float unit(float x) {
    if (x < 0.0F) {
        return 0.0F;
    }
    return x > 1.0F ? 1.0F : x;
}

// log(1 + r) + n log(2)
float log_sum(float r, float n) {
    const float z = r * r;
    const float p = horner(r, {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f,
                               -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                               2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f});
    float y = p * r * z;
    y = std::fma(n, -2.12194440e-4f, y);
    y = std::fma(z, -0.5f, y);
    return std::fma(n, 0.693359375f, r + y);
}

}  // namespace

float log(float x) {
    if (std::isnan(x) || x < 0.0F) {
        return std::numeric_limits<float>::quiet_NaN();
    }
    if (x == 0.0F) {
        return -std::numeric_limits<float>::infinity();
    }
    if (std::isinf(x)) {
        return x;
    }
    int e = 0;
    float m = std::frexp(x, &e);
    if (m < 0.707106781f) {
        m = 2.0F * m;
        e = e - 1;
    }
    return log_sum(m - 1.0F, static_cast<float>(e));
}

namespace {

float exp_minus_one(float x) {
    if (std::isnan(x)) {
        return x;
    }
    if (x < -30.0F) {
        return -1.0F;
    }
    const float n = std::rint(x * 1.44269502F);
    const float r = std::fma(n, 2.12194440e-4F, std::fma(n, -0.693359375F, x));
    float p = horner(r, {1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F,
                         1.6666665459e-1F, 5.0000001201e-1F});
    p = std::fma(p, r * r, r);
    const float scale = std::ldexp(1.0F, static_cast<int>(n));
    return std::fma(p, scale, scale - 1.0F);
}

float softplus(float x) {
    const float u = exp(-std::fabs(x));
    const float least = maximum(x, 0.0F);
    return least + (u < 0.414213562F ? log_sum(u, 0.0F) : log_sum(0.5F * (u - 1.0F), 1.0F));
}

}  // namespace

float tanh(float x) {
    const float a = std::fabs(x);
    if (a < 0.625f) {
        const float z = x * x;
        const float p = horner(z, {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
                                   1.33314422036e-1f, -3.33332819422e-1f});
        return std::fma(p * z, x, x);
    }
    return std::copysign(1.0F - 2.0F / (exp(a + a) + 1.0F), x);
}

namespace {

// (1 - erf(a)) / exp(-a * a) for a >= 1, times `factor`
float erf_rest(float a, float factor) {
    const float q = 1.0F / a;
    const float p =
        a < 2.0F
            ? horner(q * q, {2.326819970068386e-2f, -1.387039388740657e-1f, 3.687424674597105e-1f,
                             -5.824733027278666e-1f, 6.210004621745983e-1f, -4.944515323274145e-1f,
                             3.404879937665872e-1f, -2.741127028184656e-1f, 5.638259427386472e-1f})
            : horner(q * q, {-1.047766399936249e+1f, 1.297719955372516e+1f, -7.495518717768503e+0f,
                             2.921019019210786e+0f, -1.015265279202700e+0f, 4.218463358204948e-1f,
                             -2.820767439740514e-1f, 5.641895067754075e-1f});
    return factor * q * p;
}

}  // namespace

float erf(float x) {
    const float a = std::fabs(x);
    if (std::isnan(x)) {
        return x;
    }
    if (a < 1.0F) {
        return x *
               horner(x * x, {7.853861353153693e-5f, -8.010193625184903e-4f, 5.188327685732524e-3f,
                              -2.685381193529856e-2f, 1.128358514861418e-1f, -3.761262582423300e-1f,
                              1.128379165726710e+0f});
    }
    return std::copysign(1.0F - erf_rest(a, exp(-(a * a))), x);
}

namespace {

float gelu(float x) {
    const float t = x * 0.707106781f;
    if (std::fabs(t) < 1.0F || std::isnan(x)) {
        return 0.5f * x * (1.0F + erf(t));
    }
    const float half_square = 0.5f * x * x;
    const float left = std::fma(0.5f * x, x, -half_square);
    float power = exp(-half_square);
    power = power == 0.0F ? 0.0F : std::fma(power, -left, power);
    const float rest = erf_rest(std::fabs(t), power);
    return 0.5f * x * (t < 0.0F ? rest : 1.0F + (1.0F - rest));
}

}  // namespace

float activate(float x, unsigned activation, std::uint32_t alpha_bits, std::uint32_t beta_bits) {
    const auto alpha = std::bit_cast<float>(alpha_bits);
    const auto beta = std::bit_cast<float>(beta_bits);
    switch (activation) {
        case ACCEL_UNARY_RELU:
            return x < 0.0F ? 0.0F : x;
        case ACCEL_UNARY_CLIP:
            if (x < alpha) {
                return alpha;
            }
            return x > beta ? beta : x;
        case ACCEL_UNARY_LEAKY_RELU:
            return x < 0.0F ? alpha * x : x;
        case ACCEL_UNARY_HARD_SIGMOID:
            return unit(std::fma(alpha, x, beta));
        case ACCEL_UNARY_HARD_SWISH:
            return x * unit(std::fma(x, 0.16666667f, 0.5f));
        case ACCEL_UNARY_ABS:
            return std::fabs(x);
        case ACCEL_UNARY_NEG:
            return -x;
        case ACCEL_UNARY_SQRT:
            return std::sqrt(x);
        case ACCEL_UNARY_RECIPROCAL:
            return 1.0F / x;
        case ACCEL_UNARY_FLOOR:
            return std::floor(x);
        case ACCEL_UNARY_CEIL:
            return std::ceil(x);
        case ACCEL_UNARY_ROUND:
            return std::nearbyint(x);
        case ACCEL_UNARY_EXP:
            return exp(x);
        case ACCEL_UNARY_LOG:
            return log(x);
        case ACCEL_UNARY_SIGMOID:
            return 1.0F / (1.0F + exp(-x));
        case ACCEL_UNARY_TANH:
            return tanh(x);
        case ACCEL_UNARY_ERF:
            return erf(x);
        case ACCEL_UNARY_GELU:
            return gelu(x);
        case ACCEL_UNARY_ELU:
            return x < 0.0F ? alpha * exp_minus_one(x) : x;
        case ACCEL_UNARY_SIGN:
            if (std::isnan(x)) {
                return x;
            }
            return x > 0.0F ? 1.0F : (x < 0.0F ? -1.0F : 0.0F);
        case ACCEL_UNARY_NOT:
            return x == 0.0F ? 1.0F : 0.0F;
        case ACCEL_UNARY_SOFTPLUS:
            return softplus(x);
        default:
            return x;
    }
}

// ---- the order of sums
float maximum(float a, float b) {
    if (std::isnan(a) || std::isnan(b)) {
        return std::numeric_limits<float>::quiet_NaN();
    }
    if (a == 0.0F && b == 0.0F) {
        return std::signbit(a) ? b : a;
    }
    return a < b ? b : a;
}

float minimum(float a, float b) {
    return -maximum(-a, -b);
}

float elementwise(unsigned op, float a, float b) {
    switch (op) {
        case ACCEL_EW_ADD:
            return a + b;
        case ACCEL_EW_SUB:
            return a - b;
        case ACCEL_EW_MUL:
            return a * b;
        case ACCEL_EW_DIV:
            return a / b;
        case ACCEL_EW_MIN:
            return minimum(a, b);
        case ACCEL_EW_IDENTITY:
            return a;
        case ACCEL_EW_PRELU:
            return a < 0.0F ? a * b : a;
        case ACCEL_EW_FMOD:
            return std::fmod(a, b);
        case ACCEL_EW_MOD: {
            const float rest = std::fmod(a, b);
            const bool other_sign = (rest < 0.0F) != (b < 0.0F);
            return rest != 0.0F && other_sign ? rest + b : rest;
        }
        case ACCEL_EW_EQUAL:
            return a == b ? 1.0F : 0.0F;
        case ACCEL_EW_LESS:
            return a < b ? 1.0F : 0.0F;
        case ACCEL_EW_LESS_EQUAL:
            return a <= b ? 1.0F : 0.0F;
        default:
            return maximum(a, b);
    }
}

}  // namespace accel::reference
