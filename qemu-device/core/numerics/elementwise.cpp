// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The operations of ELEMENTWISE over many values.
#include "numerics/elementwise.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/math.hpp"
#include "numerics/vectorize.hpp"

namespace accel::card {

namespace {

template <typename Number, typename Op>
ACCEL_INLINE void each(Number* a, const Number* b, std::uint64_t count, Op&& op) {
    for (std::uint64_t i = 0; i < count; ++i) {
        a[i] = op(a[i], b[i]);
    }
}

// The operations that f32 and integers share. False: the operation is another one.
template <typename Number>
ACCEL_INLINE bool apply_common(std::uint8_t op, Number* a, const Number* b, const Number* c,
                               std::uint64_t count) {
    switch (op) {
        case ACCEL_EW_IDENTITY:
            return true;
        case ACCEL_EW_MIN:
            each(a, b, count, [](Number x, Number y) { return minimum(x, y); });
            return true;
        case ACCEL_EW_MAX:
            each(a, b, count, [](Number x, Number y) { return maximum(x, y); });
            return true;
        case ACCEL_EW_EQUAL:
            each(a, b, count, [](Number x, Number y) { return Number(x == y); });
            return true;
        case ACCEL_EW_LESS:
            each(a, b, count, [](Number x, Number y) { return Number(x < y); });
            return true;
        case ACCEL_EW_LESS_EQUAL:
            each(a, b, count, [](Number x, Number y) { return Number(x <= y); });
            return true;
        case ACCEL_EW_SELECT:
            for (std::uint64_t i = 0; i < count; ++i) {
                a[i] = c[i] != 0 ? a[i] : b[i];
            }
            return true;
        default:
            return false;
    }
}

ACCEL_INLINE void apply(std::uint8_t op, float* a, const float* b, const float* c,
                        std::uint64_t count) {
    switch (op) {
        case ACCEL_EW_ADD:
            return each(a, b, count, [](float x, float y) { return x + y; });
        case ACCEL_EW_SUB:
            return each(a, b, count, [](float x, float y) { return x - y; });
        case ACCEL_EW_MUL:
            return each(a, b, count, [](float x, float y) { return x * y; });
        case ACCEL_EW_DIV:
            return each(a, b, count, [](float x, float y) { return x / y; });
        case ACCEL_EW_PRELU:
            return each(a, b, count, [](float x, float y) { return x < 0.0F ? x * y : x; });
        case ACCEL_EW_POW:
            return each(a, b, count, pow_f32);
        case ACCEL_EW_FMOD:
            return each(a, b, count, [](float x, float y) { return std::fmod(x, y); });
        case ACCEL_EW_MOD:
            return each(a, b, count, [](float x, float y) {
                const float rest = std::fmod(x, y);
                return rest != 0.0F && (rest < 0.0F) != (y < 0.0F) ? rest + y : rest;
            });
        default:
            apply_common(op, a, b, c, count);
    }
}

// Integer operations are modulo 2^64. A division by zero has quotient and remainder zero.
std::int64_t quotient(std::int64_t x, std::int64_t y) {
    return y == 0 ? 0 : y == -1 ? static_cast<std::int64_t>(-static_cast<std::uint64_t>(x)) : x / y;
}
std::int64_t rest(std::int64_t x, std::int64_t y) {
    return y == 0 || y == -1 ? 0 : x % y;
}
std::int64_t power(std::int64_t base, std::int64_t exponent) {
    if (exponent < 0) {
        return base == 1 ? 1 : base == -1 ? (exponent % 2 != 0 ? -1 : 1) : 0;
    }
    std::uint64_t result = 1;
    for (auto square = static_cast<std::uint64_t>(base); exponent != 0; exponent >>= 1) {
        result *= (exponent & 1) != 0 ? square : 1;
        square *= square;
    }
    return static_cast<std::int64_t>(result);
}

template <typename Op>
ACCEL_INLINE void each_unsigned(std::int64_t* a, const std::int64_t* b, std::uint64_t count,
                                Op&& op) {
    each(a, b, count, [&](std::int64_t x, std::int64_t y) {
        return static_cast<std::int64_t>(
            op(static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(y)));
    });
}

ACCEL_INLINE void apply(std::uint8_t op, std::int64_t* a, const std::int64_t* b,
                        const std::int64_t* c, std::uint64_t count) {
    switch (op) {
        case ACCEL_EW_ADD:
            return each_unsigned(a, b, count,
                                 [](std::uint64_t x, std::uint64_t y) { return x + y; });
        case ACCEL_EW_SUB:
            return each_unsigned(a, b, count,
                                 [](std::uint64_t x, std::uint64_t y) { return x - y; });
        case ACCEL_EW_MUL:
            return each_unsigned(a, b, count,
                                 [](std::uint64_t x, std::uint64_t y) { return x * y; });
        case ACCEL_EW_DIV:
            return each(a, b, count, quotient);
        case ACCEL_EW_PRELU:
            return each_unsigned(a, b, count, [](std::uint64_t x, std::uint64_t y) {
                return static_cast<std::int64_t>(x) < 0 ? x * y : x;
            });
        case ACCEL_EW_POW:
            return each(a, b, count, power);
        case ACCEL_EW_FMOD:
            return each(a, b, count, rest);
        case ACCEL_EW_MOD:
            return each(a, b, count, [](std::int64_t x, std::int64_t y) {
                const std::int64_t left = rest(x, y);
                return left != 0 && (left < 0) != (y < 0) ? left + y : left;
            });
        case ACCEL_EW_AND:
            return each_unsigned(a, b, count,
                                 [](std::uint64_t x, std::uint64_t y) { return x & y; });
        case ACCEL_EW_OR:
            return each_unsigned(a, b, count,
                                 [](std::uint64_t x, std::uint64_t y) { return x | y; });
        case ACCEL_EW_XOR:
            return each_unsigned(a, b, count,
                                 [](std::uint64_t x, std::uint64_t y) { return x ^ y; });
        case ACCEL_EW_SHIFT_LEFT:
            return each_unsigned(
                a, b, count, [](std::uint64_t x, std::uint64_t y) { return y < 64 ? x << y : 0; });
        case ACCEL_EW_SHIFT_RIGHT:
            return each_unsigned(
                a, b, count, [](std::uint64_t x, std::uint64_t y) { return y < 64 ? x >> y : 0; });
        default:
            apply_common(op, a, b, c, count);
    }
}

template <typename Number>
struct ElementwiseLoop {
    ACCEL_INLINE void operator()(std::uint8_t op, Number* a, const Number* b, const Number* c,
                                 std::uint64_t count) const {
        apply(op, a, b, c, count);
    }
};

}  // namespace

void apply_elementwise(std::uint8_t op, float* a, const float* b, const float* c,
                       std::uint64_t count) {
    run_vectorized<ElementwiseLoop<float>>(op, a, b, c, count);
}

void apply_elementwise(std::uint8_t op, std::int64_t* a, const std::int64_t* b,
                       const std::int64_t* c, std::uint64_t count) {
    run_vectorized<ElementwiseLoop<std::int64_t>>(op, a, b, c, count);
}

}  // namespace accel::card
