// SPDX-License-Identifier: GPL-2.0
//
// The arithmetic of the data sheet's section 6, to the bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "accel_hw.h"

namespace accel::card {

// One rounding; a NaN gives a NaN.
inline float exp_f32(float x) {
    if (std::isnan(x)) {
        return x;
    }
    if (x > 88.72283F) {
        return std::numeric_limits<float>::infinity();
    }
    if (x < -104.0F) {
        return 0.0F;
    }
    const float n = std::rint(x * 1.44269502F);
    float r = std::fma(n, -0.693359375F, x);
    r = std::fma(n, 2.12194440e-4F, r);
    float p = 1.9875691500e-4F;
    p = std::fma(p, r, 1.3981999507e-3F);
    p = std::fma(p, r, 8.3334519073e-3F);
    p = std::fma(p, r, 4.1665795894e-2F);
    p = std::fma(p, r, 1.6666665459e-1F);
    p = std::fma(p, r, 5.0000001201e-1F);
    p = std::fma(p, r * r, r);
    p = p + 1.0F;
    return std::ldexp(p, static_cast<int>(n));
}

inline float minimum(float a, float b) {
    return b < a ? b : a;
}
inline float maximum(float a, float b) {
    return b > a ? b : a;
}

inline float relu(float x) {
    return x < 0.0F ? 0.0F : x;
}

inline float activate(float x, uint8_t activation) {
    return activation == ACCEL_ACT_RELU ? relu(x) : x;
}

inline bool known_activation(uint8_t activation) {
    return activation <= ACCEL_ACT_RELU;
}

}  // namespace accel::card
