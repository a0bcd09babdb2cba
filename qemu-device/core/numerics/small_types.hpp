// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The small types of section 6 of the data sheet: floats of 4 and 8 bits, and integers of 2 and 4
// bits. An element occupies a byte.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace accel::card {

// A float format with a sign, an exponent and a mantissa. The sign is the bit above them.
struct SmallFloat {
    unsigned exponent_bits;
    unsigned mantissa_bits;
    int bias;
    std::uint8_t largest;   // the code of the largest number
    std::uint8_t overflow;  // the code of a number that is too large
    std::uint8_t nan;       // the code of a NaN
    bool has_infinity;
    bool sign_of_specials;  // whether the codes for overflow and NaN have the sign of the number
    bool has_negative_zero;
};

inline constexpr SmallFloat f8e4m3fn{4, 3, 7, 0x7e, 0x7f, 0x7f, false, true, true};
inline constexpr SmallFloat f8e4m3fnuz{4, 3, 8, 0x7f, 0x80, 0x80, false, false, false};
inline constexpr SmallFloat f8e5m2{5, 2, 15, 0x7b, 0x7c, 0x7e, true, true, true};
inline constexpr SmallFloat f8e5m2fnuz{5, 2, 16, 0x7f, 0x80, 0x80, false, false, false};
// Without infinities and NaNs: numbers saturate, and a NaN becomes -0.
inline constexpr SmallFloat f4e2m1{2, 1, 1, 0x07, 0x07, 0x08, false, true, true};

// 2^exponent, also for subnormal numbers.
[[nodiscard]] constexpr float exact_power_of_two(int exponent) {
    return exponent < -126
               ? std::bit_cast<float>(std::uint32_t{1} << static_cast<unsigned>(exponent + 149))
               : std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
}

template <SmallFloat format>
[[nodiscard]] constexpr float decode_small(std::uint8_t code) {
    constexpr unsigned sign_bit = format.exponent_bits + format.mantissa_bits;
    const unsigned magnitude = code & ((1U << sign_bit) - 1);
    const bool negative = (code >> sign_bit & 1) != 0;
    const unsigned exponent = magnitude >> format.mantissa_bits;
    const unsigned mantissa = magnitude & ((1U << format.mantissa_bits) - 1);
    if (magnitude > format.largest || (negative && magnitude == 0 && !format.has_negative_zero)) {
        return format.has_infinity && magnitude == format.overflow
                   ? (negative ? -1.0F : 1.0F) * std::numeric_limits<float>::infinity()
                   : std::numeric_limits<float>::quiet_NaN();
    }
    const int last = (exponent == 0 ? 1 : static_cast<int>(exponent)) - format.bias -
                     static_cast<int>(format.mantissa_bits);
    const unsigned steps = exponent == 0 ? mantissa : mantissa | 1U << format.mantissa_bits;
    const float value = static_cast<float>(steps) * exact_power_of_two(last);
    return negative ? -value : value;
}

// The values of all codes.
template <SmallFloat format>
inline constexpr std::array<float, 256> small_values = [] {
    std::array<float, 256> values{};
    for (std::size_t code = 0; code < values.size(); ++code) {
        values[code] = decode_small<format>(static_cast<std::uint8_t>(code));
    }
    return values;
}();

// Rounds half to even.
template <SmallFloat format>
[[nodiscard]] constexpr std::uint8_t encode_small(float x) {
    constexpr unsigned sign_bit = format.exponent_bits + format.mantissa_bits;
    constexpr unsigned dropped = 23 - format.mantissa_bits;
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t magnitude = bits & 0x7fffffff;
    const auto sign = static_cast<std::uint8_t>(bits >> 31 << sign_bit);
    const auto special = [&](std::uint8_t code) {
        return static_cast<std::uint8_t>(format.sign_of_specials ? sign | code : code);
    };
    if (magnitude > 0x7f800000) {
        return special(format.nan);
    }
    std::uint32_t code = 0;
    constexpr auto first_normal = static_cast<std::uint32_t>(128 - format.bias) << 23;
    if (magnitude < first_normal) {
        // Adding a number whose last bit is worth a subnormal step rounds to these steps.
        constexpr float steps =
            exact_power_of_two(24 - format.bias - static_cast<int>(format.mantissa_bits));
        code = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + steps) -
               std::bit_cast<std::uint32_t>(steps);
    } else {
        constexpr std::uint32_t shift = first_normal - (1U << 23);
        code = (magnitude - shift + ((1U << (dropped - 1)) - 1) + (magnitude >> dropped & 1)) >>
               dropped;
    }
    if (code > format.largest) {
        return special(format.overflow);
    }
    return static_cast<std::uint8_t>(code == 0 && !format.has_negative_zero ? 0 : sign | code);
}

// F8E8M0, a power of two: 2^(code - 127).
[[nodiscard]] constexpr float decode_power(std::uint8_t code) {
    return code == 0xff ? std::numeric_limits<float>::quiet_NaN()
                        : exact_power_of_two(int{code} - 127);
}
// The least power of two that is not below |x|.
[[nodiscard]] constexpr std::uint8_t encode_power(float x) {
    const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(x) & 0x7fffffff;
    constexpr std::uint32_t least = 0x00400000;    // 2^-127
    constexpr std::uint32_t largest = 0x7f000000;  // 2^127
    if (magnitude > largest) {
        return 0xff;
    }
    return static_cast<std::uint8_t>(magnitude <= least ? 0 : (magnitude + 0x7fffff) >> 23);
}

// An integer of `bits` bits in a byte. The upper bits have no meaning when it is read.
[[nodiscard]] constexpr std::int8_t decode_signed(std::uint8_t byte, unsigned bits) {
    return static_cast<std::int8_t>(static_cast<std::int8_t>(byte << (8 - bits)) >> (8 - bits));
}
[[nodiscard]] constexpr std::uint8_t decode_unsigned(std::uint8_t byte, unsigned bits) {
    return static_cast<std::uint8_t>(byte & ((1U << bits) - 1));
}

}  // namespace accel::card
