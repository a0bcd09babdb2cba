// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Unary operations and exponentials over many values.
#include "numerics/math.hpp"
#include "numerics/vectorize.hpp"

namespace accel::card {

namespace {

template <typename Number, typename Function>
ACCEL_INLINE void each(Number* values, std::size_t count, Function&& function) {
    for (std::size_t i = 0; i < count; ++i) {
        values[i] = function(values[i]);
    }
}

ACCEL_INLINE void apply_unary_to_all(float* values, std::size_t count, std::uint8_t kind,
                                     float alpha, float beta) {
    switch (kind) {
        case ACCEL_UNARY_RELU:
            return each(values, count, relu);
        case ACCEL_UNARY_CLIP:
            return each(values, count, [=](float x) {
                return x < alpha ? alpha : x > beta ? beta : x;
            });
        case ACCEL_UNARY_LEAKY_RELU:
            return each(values, count, [=](float x) { return x < 0.0F ? alpha * x : x; });
        case ACCEL_UNARY_HARD_SIGMOID:
            return each(values, count,
                        [=](float x) { return clamp_unit(std::fma(alpha, x, beta)); });
        case ACCEL_UNARY_HARD_SWISH:
            return each(values, count,
                        [](float x) { return x * clamp_unit(std::fma(x, 1.0F / 6.0F, 0.5F)); });
        case ACCEL_UNARY_ABS:
            return each(values, count, [](float x) { return std::fabs(x); });
        case ACCEL_UNARY_NEG:
            return each(values, count, [](float x) { return -x; });
        case ACCEL_UNARY_SQRT:
            return each(values, count, [](float x) { return std::sqrt(x); });
        case ACCEL_UNARY_RECIPROCAL:
            return each(values, count, [](float x) { return 1.0F / x; });
        case ACCEL_UNARY_FLOOR:
            return each(values, count, [](float x) { return std::floor(x); });
        case ACCEL_UNARY_CEIL:
            return each(values, count, [](float x) { return std::ceil(x); });
        case ACCEL_UNARY_ROUND:
            return each(values, count, [](float x) { return std::rint(x); });
        case ACCEL_UNARY_EXP:
            return each(values, count, exp_f32);
        case ACCEL_UNARY_LOG:
            return each(values, count, log_f32);
        case ACCEL_UNARY_SIGMOID:
            return each(values, count, sigmoid);
        case ACCEL_UNARY_TANH:
            return each(values, count, tanh_f32);
        case ACCEL_UNARY_ERF:
            return each(values, count, erf_f32);
        case ACCEL_UNARY_GELU:
            return each(values, count, gelu);
        case ACCEL_UNARY_ELU:
            return each(values, count,
                        [=](float x) { return x < 0.0F ? alpha * exp_minus_one(x) : x; });
        case ACCEL_UNARY_SOFTPLUS:
            return each(values, count, softplus);
        case ACCEL_UNARY_SIN:
            return each(values, count, sin_f32);
        case ACCEL_UNARY_COS:
            return each(values, count, cos_f32);
        case ACCEL_UNARY_ATAN:
            return each(values, count, atan_f32);
        case ACCEL_UNARY_SIGN:
            return each(values, count, sign);
        case ACCEL_UNARY_TAN:
            return each(values, count, tan_f32);
        case ACCEL_UNARY_ASIN:
            return each(values, count, asin_f32);
        case ACCEL_UNARY_ACOS:
            return each(values, count, acos_f32);
        case ACCEL_UNARY_SINH:
            return each(values, count, sinh_f32);
        case ACCEL_UNARY_COSH:
            return each(values, count, cosh_f32);
        case ACCEL_UNARY_ASINH:
            return each(values, count, asinh_f32);
        case ACCEL_UNARY_ACOSH:
            return each(values, count, acosh_f32);
        case ACCEL_UNARY_ATANH:
            return each(values, count, atanh_f32);
        case ACCEL_UNARY_NOT:
            return each(values, count, [](float x) { return x == 0.0F ? 1.0F : 0.0F; });
        default:
            return;
    }
}

struct UnaryLoop {
    ACCEL_INLINE void operator()(float* values, std::size_t count, std::uint8_t kind, float alpha,
                                 float beta) const {
        apply_unary_to_all(values, count, kind, alpha, beta);
    }
};

struct ExponentialsLoop {
    ACCEL_INLINE void operator()(float* values, std::size_t rows, std::size_t columns,
                                 const float* peaks) const {
        if (columns == 1) {
            const float peak = *peaks;
            each(values, rows, [=](float x) { return exp_f32(x - peak); });
            return;
        }
        for (std::size_t row = 0; row < rows; ++row, values += columns) {
            for (std::size_t c = 0; c < columns; ++c) {
                values[c] = exp_f32(values[c] - peaks[c]);
            }
        }
    }
};

}  // namespace

void apply_unary(float* values, std::size_t count, const UnaryOp& op) {
    run_vectorized<UnaryLoop>(values, count, op.kind, op.alpha, op.beta);
}

void exponentials(float* values, std::size_t rows, std::size_t columns, const float* peaks) {
    run_vectorized<ExponentialsLoop>(values, rows, columns, peaks);
}

void apply_unary(std::int64_t* values, std::size_t count, const UnaryOp& op) {
    const auto negative = [](std::int64_t x) {
        return static_cast<std::int64_t>(-static_cast<std::uint64_t>(x));
    };
    switch (op.kind) {
        case ACCEL_UNARY_RELU:
            return each(values, count, [](std::int64_t x) { return x < 0 ? 0 : x; });
        case ACCEL_UNARY_ABS:
            return each(values, count, [=](std::int64_t x) { return x < 0 ? negative(x) : x; });
        case ACCEL_UNARY_NEG:
            return each(values, count, negative);
        case ACCEL_UNARY_SIGN:
            return each(values, count, [](std::int64_t x) {
                return static_cast<std::int64_t>(x > 0) - std::int64_t{x < 0};
            });
        case ACCEL_UNARY_NOT:
            return each(values, count,
                        [](std::int64_t x) { return static_cast<std::int64_t>(x == 0); });
        default:
            return;
    }
}

}  // namespace accel::card
