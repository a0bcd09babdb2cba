// SPDX-License-Identifier: Apache-2.0
#include "ir/number_conversion.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "ir/small_types.hpp"

namespace accel::compiler {

namespace {

float from_half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 0x1f;
    const int mantissa = bits & 0x3ff;
    float value = exponent == 0    ? std::ldexp(static_cast<float>(mantissa), -24)
                  : exponent == 31 ? (mantissa == 0 ? std::numeric_limits<float>::infinity()
                                                    : std::numeric_limits<float>::quiet_NaN())
                                   : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    return (bits & 0x8000) != 0 ? -value : value;
}

std::uint16_t to_half(float x) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(x) ? 0x8000 : 0);
    const float a = std::fabs(x);
    if (std::isnan(x)) {
        return sign | 0x7e00;
    }
    if (a >= 65520.0F) {
        return sign | 0x7c00;
    }
    if (a == 0) {
        return sign;
    }
    int exponent = 0;
    std::frexp(a, &exponent);
    // The exponent of the last bit. nearbyint rounds half to even.
    const int last = std::max(exponent - 11, -24);
    const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(a, -last)));
    return static_cast<std::uint16_t>(sign | (last == -24 ? units : units + ((last + 24) << 10)));
}

std::uint16_t to_bf16(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    if (std::isnan(x)) {
        return static_cast<std::uint16_t>(bits >> 16 | 0x40);
    }
    return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <typename Integer>
Integer truncate(double x) {
    if (std::isnan(x)) {
        return 0;
    }
    const double wide = std::trunc(x);
    if (wide >= static_cast<double>(std::numeric_limits<Integer>::max())) {
        return std::numeric_limits<Integer>::max();
    }
    return wide <= static_cast<double>(std::numeric_limits<Integer>::min())
               ? std::numeric_limits<Integer>::min()
               : static_cast<Integer>(wide);
}

template <typename Number>
Number from_float(float x) {
    if constexpr (std::is_same_v<Number, float>) {
        return x;
    } else {
        return truncate<std::int64_t>(x);
    }
}

// Calls convert(element) for each element, which has the type T.
template <typename T, typename Number, typename Convert>
void read_each(std::span<const std::byte> from, std::span<Number> to, Convert convert) {
    for (std::size_t i = 0; i < to.size(); ++i) {
        T element;
        std::memcpy(&element, from.data() + i * sizeof(T), sizeof(T));
        to[i] = convert(element);
    }
}

template <typename Number>
void read_as(DataType type, std::span<const std::byte> from, std::span<Number> to) {
    const auto plain = [](auto element) { return static_cast<Number>(element); };
    switch (type) {
        case DataType::f32:
            return read_each<float>(from, to, from_float<Number>);
        case DataType::bf16:
            return read_each<std::uint16_t>(from, to, [](std::uint16_t bits) {
                return from_float<Number>(
                    std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
            });
        case DataType::f16:
            return read_each<std::uint16_t>(
                from, to, [](std::uint16_t bits) { return from_float<Number>(from_half(bits)); });
        case DataType::i8:
            return read_each<std::int8_t>(
                from, to, [](std::int8_t element) { return static_cast<Number>(int{element}); });
        case DataType::u8:
            return read_each<std::uint8_t>(from, to, plain);
        case DataType::boolean:
            return read_each<std::uint8_t>(
                from, to, [](std::uint8_t element) { return static_cast<Number>(element != 0); });
        case DataType::i16:
            return read_each<std::int16_t>(from, to, plain);
        case DataType::u16:
            return read_each<std::uint16_t>(from, to, plain);
        case DataType::i32:
            return read_each<std::int32_t>(from, to, plain);
        case DataType::u32:
            return read_each<std::uint32_t>(from, to, plain);
        case DataType::i64:
            return read_each<std::int64_t>(from, to, plain);
        case DataType::f64:
            return read_each<double>(from, to, [](double element) {
                if constexpr (std::is_same_v<Number, float>) {
                    return static_cast<float>(element);
                } else {
                    return truncate<std::int64_t>(element);
                }
            });
        case DataType::u64:
            return read_each<std::uint64_t>(from, to, [](std::uint64_t element) {
                if constexpr (std::is_same_v<Number, float>) {
                    return static_cast<float>(element);
                } else {
                    return static_cast<std::int64_t>(std::min<std::uint64_t>(element, INT64_MAX));
                }
            });
        default:
            return read_each<std::uint8_t>(from, to, [type](std::uint8_t element) {
                return from_float<Number>(small_to_float(type, element));
            });
    }
}

template <typename T, typename Number>
T to_integer(Number x) {
    if constexpr (std::is_same_v<Number, float>) {
        return truncate<T>(x);
    } else {
        return static_cast<T>(x);
    }
}

// Writes convert(number) for each number.
template <typename Number, typename Convert>
void write_each(std::span<const Number> from, std::span<std::byte> to, Convert convert) {
    for (std::size_t i = 0; i < from.size(); ++i) {
        const auto element = convert(from[i]);
        std::memcpy(to.data() + i * sizeof element, &element, sizeof element);
    }
}

template <typename Number>
void write_as(DataType type, std::span<const Number> from, std::span<std::byte> to) {
    switch (type) {
        case DataType::f32:
            return write_each(from, to, [](Number x) { return static_cast<float>(x); });
        case DataType::bf16:
            return write_each(from, to, [](Number x) { return to_bf16(static_cast<float>(x)); });
        case DataType::f16:
            return write_each(from, to, [](Number x) { return to_half(static_cast<float>(x)); });
        case DataType::i8:
            return write_each(from, to, to_integer<std::int8_t, Number>);
        case DataType::u8:
            return write_each(from, to, to_integer<std::uint8_t, Number>);
        case DataType::boolean:
            return write_each(from, to, [](Number x) { return static_cast<std::uint8_t>(x != 0); });
        case DataType::i16:
            return write_each(from, to, to_integer<std::int16_t, Number>);
        case DataType::u16:
            return write_each(from, to, to_integer<std::uint16_t, Number>);
        case DataType::i32:
            return write_each(from, to, to_integer<std::int32_t, Number>);
        case DataType::u32:
            return write_each(from, to, to_integer<std::uint32_t, Number>);
        case DataType::i64:
            return write_each(from, to, to_integer<std::int64_t, Number>);
        case DataType::f64:
            return write_each(from, to, [](Number x) { return static_cast<double>(x); });
        case DataType::u64:
            return write_each(from, to, to_integer<std::uint64_t, Number>);
        default:
            return write_each(from, to, [type](Number x) { return to_small(type, x); });
    }
}

}  // namespace

void read_numbers(DataType type, std::span<const std::byte> from, std::span<float> to) {
    read_as(type, from, to);
}
void read_numbers(DataType type, std::span<const std::byte> from, std::span<std::int64_t> to) {
    read_as(type, from, to);
}
void write_numbers(DataType type, std::span<const float> from, std::span<std::byte> to) {
    write_as(type, from, to);
}
void write_numbers(DataType type, std::span<const std::int64_t> from, std::span<std::byte> to) {
    write_as(type, from, to);
}

float rounded_to(DataType type, float x) {
    switch (type) {
        case DataType::f16:
            return from_half(to_half(x));
        case DataType::bf16:
            return std::bit_cast<float>(static_cast<std::uint32_t>(to_bf16(x)) << 16);
        default:
            return x;
    }
}

}  // namespace accel::compiler
