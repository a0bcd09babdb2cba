// SPDX-License-Identifier: Apache-2.0
#include "run/small_numbers.hpp"

#include <cmath>
#include <limits>

namespace accel::tools {

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// A float with a sign, an exponent and a fraction.
double decode_float(unsigned byte, int exponent_bits, int fraction_bits, int bias) {
    const int fraction = static_cast<int>(byte) & ((1 << fraction_bits) - 1);
    const int exponent = static_cast<int>(byte) >> fraction_bits & ((1 << exponent_bits) - 1);
    const double value = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                       : std::ldexp(fraction + (1 << fraction_bits),
                                                    exponent - bias - fraction_bits);
    return (byte >> (exponent_bits + fraction_bits) & 1U) != 0 ? -value : value;
}

}  // namespace

double decode_small(DataType type, std::uint8_t byte) {
    const unsigned magnitude = byte & 0x7fU;
    switch (type) {
        case DataType::f8e4m3fn:
            return magnitude == 0x7f ? nan : decode_float(byte, 4, 3, 7);
        case DataType::f8e4m3fnuz:
            return byte == 0x80 ? nan : decode_float(byte, 4, 3, 8);
        case DataType::f8e5m2:
            return magnitude == 0x7c  ? (byte == magnitude ? infinity : -infinity)
                   : magnitude > 0x7c ? nan
                                      : decode_float(byte, 5, 2, 15);
        case DataType::f8e5m2fnuz:
            return byte == 0x80 ? nan : decode_float(byte, 5, 2, 16);
        case DataType::f8e8m0:
            return byte == 0xff ? nan : std::ldexp(1.0, int{byte} - 127);
        case DataType::f4e2m1:
            return decode_float(byte & 0xfU, 2, 1, 1);
        default:
            break;
    }
    const int count = 1 << packed_bits(type);
    const int value = byte & (count - 1);
    const bool is_signed = type == DataType::i4 || type == DataType::i2;
    return is_signed && value >= count / 2 ? value - count : value;
}

std::uint8_t encode_small(DataType type, double value) {
    const int codes = 1 << packed_bits(type);
    int best = 0;
    double distance = infinity;
    for (int code = 0; code < codes; ++code) {
        const double candidate = decode_small(type, static_cast<std::uint8_t>(code));
        if (std::isnan(value) && std::isnan(candidate)) {
            best = code;
        }
        if (std::isfinite(candidate) && std::fabs(candidate - value) < distance) {
            best = code;
            distance = std::fabs(candidate - value);
        }
    }
    return static_cast<std::uint8_t>(best);
}

}  // namespace accel::tools
