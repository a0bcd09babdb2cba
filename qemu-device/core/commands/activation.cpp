// SPDX-License-Identifier: GPL-2.0
//
// Activations over many values.
#include "math.hpp"

namespace accel::card {

namespace {

template <typename Number, typename Function>
void each(Number* values, size_t count, Function&& function) {
    for (size_t i = 0; i < count; ++i) {
        values[i] = function(values[i]);
    }
}

}  // namespace

void activate(float* values, size_t count, const Activation& activation) {
    const float alpha = activation.alpha;
    const float beta = activation.beta;
    switch (activation.kind) {
        case ACCEL_ACT_RELU:
            return each(values, count, relu);
        case ACCEL_ACT_CLIP:
            return each(values, count, [=](float x) {
                return x < alpha ? alpha : x > beta ? beta : x;
            });
        case ACCEL_ACT_LEAKY_RELU:
            return each(values, count, [=](float x) { return x < 0.0F ? alpha * x : x; });
        case ACCEL_ACT_HARD_SIGMOID:
            return each(values, count,
                        [=](float x) { return clamp_unit(std::fma(alpha, x, beta)); });
        case ACCEL_ACT_HARD_SWISH:
            return each(values, count,
                        [](float x) { return x * clamp_unit(std::fma(x, 1.0F / 6.0F, 0.5F)); });
        case ACCEL_ACT_ABS:
            return each(values, count, [](float x) { return std::fabs(x); });
        case ACCEL_ACT_NEG:
            return each(values, count, [](float x) { return -x; });
        case ACCEL_ACT_SQRT:
            return each(values, count, [](float x) { return std::sqrt(x); });
        case ACCEL_ACT_RECIPROCAL:
            return each(values, count, [](float x) { return 1.0F / x; });
        case ACCEL_ACT_FLOOR:
            return each(values, count, [](float x) { return std::floor(x); });
        case ACCEL_ACT_CEIL:
            return each(values, count, [](float x) { return std::ceil(x); });
        case ACCEL_ACT_ROUND:
            return each(values, count, [](float x) { return std::rint(x); });
        case ACCEL_ACT_EXP:
            return each(values, count, exp_f32);
        case ACCEL_ACT_LOG:
            return each(values, count, log_f32);
        case ACCEL_ACT_SIGMOID:
            return each(values, count, sigmoid);
        case ACCEL_ACT_TANH:
            return each(values, count, tanh_f32);
        case ACCEL_ACT_ERF:
            return each(values, count, erf_f32);
        case ACCEL_ACT_GELU:
            return each(values, count,
                        [](float x) { return 0.5F * x * (1.0F + erf_f32(x * 0.707106781F)); });
        case ACCEL_ACT_ELU:
            return each(values, count,
                        [=](float x) { return x < 0.0F ? alpha * (exp_f32(x) - 1.0F) : x; });
        case ACCEL_ACT_SOFTPLUS:
            return each(values, count, [](float x) {
                return maximum(x, 0.0F) + log_f32(1.0F + exp_f32(-std::fabs(x)));
            });
        case ACCEL_ACT_SIN:
            return each(values, count, sin_f32);
        case ACCEL_ACT_COS:
            return each(values, count, cos_f32);
        case ACCEL_ACT_ATAN:
            return each(values, count, atan_f32);
        case ACCEL_ACT_SIGN:
            return each(values, count, sign);
        case ACCEL_ACT_NOT:
            return each(values, count, [](float x) { return x == 0.0F ? 1.0F : 0.0F; });
        default:
            return;
    }
}

void activate(int64_t* values, size_t count, const Activation& activation) {
    const auto negative = [](int64_t x) { return static_cast<int64_t>(-static_cast<uint64_t>(x)); };
    switch (activation.kind) {
        case ACCEL_ACT_RELU:
            return each(values, count, [](int64_t x) { return x < 0 ? 0 : x; });
        case ACCEL_ACT_ABS:
            return each(values, count, [=](int64_t x) { return x < 0 ? negative(x) : x; });
        case ACCEL_ACT_NEG:
            return each(values, count, negative);
        case ACCEL_ACT_SIGN:
            return each(values, count,
                        [](int64_t x) { return static_cast<int64_t>(x > 0) - int64_t{x < 0}; });
        case ACCEL_ACT_NOT:
            return each(values, count, [](int64_t x) { return static_cast<int64_t>(x == 0); });
        default:
            return;
    }
}

}  // namespace accel::card
