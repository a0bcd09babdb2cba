// SPDX-License-Identifier: Apache-2.0
//
// The functions of one value that commands apply to a result before they store it.
#pragma once

#include <cstdint>

namespace accel {

/// A function of one value, applied to each result: the activation of Gemm, Conv2d and Elementwise.
/// The data sheet defines each to the bit. clip, leaky_relu, hard_sigmoid and elu take a parameter
/// `activation_alpha`; clip and hard_sigmoid take `activation_beta` as well.
enum class UnaryOp : std::uint8_t {
    none = 0,
    relu = 1,
    clip = 2,          ///< alpha is the lower bound, beta the upper one
    leaky_relu = 3,    ///< alpha * x for negative x
    hard_sigmoid = 4,  ///< alpha * x + beta, clipped to [0, 1]
    hard_swish = 5,
    abs = 6,
    neg = 7,
    sqrt = 8,
    reciprocal = 9,
    floor = 10,
    ceil = 11,
    round = 12,  ///< half to even
    exp = 13,
    log = 14,
    sigmoid = 15,
    tanh = 16,
    erf = 17,
    gelu = 18,
    elu = 19,  ///< alpha * (exp(x) - 1) for negative x
    softplus = 20,
    sin = 21,
    cos = 22,
    atan = 23,
    sign = 24,         ///< -1, 0 or 1
    logical_not = 25,  ///< 1 for zero, 0 for any other value
    tan = 26,
    asin = 27,
    acos = 28,
    sinh = 29,
    cosh = 30,
    asinh = 31,
    acosh = 32,
    atanh = 33,
};

}  // namespace accel
