// SPDX-License-Identifier: Apache-2.0
#include "run/numbers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "run/small_numbers.hpp"

namespace accel::tools {

namespace {

// A 16-bit format of IEEE 754: one bit of sign, the bits of the exponent, the rest the fraction.
struct Format16 {
    int fraction_bits;
    int bias;

    [[nodiscard]] int exponent_mask() const { return (1 << (15 - fraction_bits)) - 1; }
    [[nodiscard]] int fraction_mask() const { return (1 << fraction_bits) - 1; }
};

constexpr Format16 f16{.fraction_bits = 10, .bias = 15};
constexpr Format16 bf16{.fraction_bits = 7, .bias = 127};

double decode(std::uint16_t bits, Format16 format) {
    const int exponent = (bits >> format.fraction_bits) & format.exponent_mask();
    const int fraction = bits & format.fraction_mask();
    double value = 0;
    if (exponent == format.exponent_mask()) {
        value = fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                              : std::numeric_limits<double>::infinity();
    } else if (exponent == 0) {
        value = std::ldexp(fraction, 1 - format.bias - format.fraction_bits);
    } else {
        value = std::ldexp(fraction + format.fraction_mask() + 1,
                           exponent - format.bias - format.fraction_bits);
    }
    return (bits & 0x8000U) != 0 ? -value : value;
}

std::uint16_t encode(double value, Format16 format) {
    const auto sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    const int infinity = format.exponent_mask() << format.fraction_bits;
    if (std::isnan(value)) {
        return static_cast<std::uint16_t>(sign | infinity | (1 << (format.fraction_bits - 1)));
    }
    value = std::fabs(value);
    int bits = infinity;
    if (value == 0) {
        bits = 0;
    } else if (std::isfinite(value)) {
        const int exponent = std::max(std::ilogb(value), 1 - format.bias);
        // A fraction that is rounded up to the next power of two carries into the exponent.
        const auto scaled =
            static_cast<long>(std::nearbyint(std::ldexp(value, format.fraction_bits - exponent)));
        const long carried =
            (static_cast<long>(exponent + format.bias - 1) << format.fraction_bits) + scaled;
        bits = static_cast<int>(std::min<long>(carried, infinity));
    }
    return static_cast<std::uint16_t>(sign | bits);
}

template <typename T>
void decode_all(std::span<const std::byte> bytes, std::vector<double>& numbers, auto decode_one) {
    for (std::size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
        T value{};
        std::memcpy(&value, &bytes[i], sizeof value);
        numbers.push_back(decode_one(value));
    }
}

template <typename T>
void encode_all(std::span<const double> numbers, std::vector<std::byte>& bytes, auto encode_one) {
    bytes.resize(numbers.size() * sizeof(T));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const T value = encode_one(numbers[i]);
        std::memcpy(&bytes[i * sizeof(T)], &value, sizeof value);
    }
}

template <typename T>
T nearest(double value) {
    if constexpr (std::is_integral_v<T>) {
        const double rounded = std::nearbyint(value);
        if (std::isnan(rounded)) {
            return 0;
        }
        // The limits of 64-bit integers are no doubles; the comparison rounds them up.
        if (rounded >= static_cast<double>(std::numeric_limits<T>::max())) {
            return std::numeric_limits<T>::max();
        }
        if (rounded <= static_cast<double>(std::numeric_limits<T>::min())) {
            return std::numeric_limits<T>::min();
        }
        return static_cast<T>(rounded);
    } else {
        return static_cast<T>(value);
    }
}

// Calls `action` with a value of the C++ type, for the data types that C++ has.
template <typename Action>
void with_type(DataType type, Action action) {
    switch (type) {
        case DataType::f32:
            return action(float{});
        case DataType::f64:
            return action(double{});
        case DataType::i8:
            return action(std::int8_t{});
        case DataType::u8:
        case DataType::boolean:
            return action(std::uint8_t{});
        case DataType::i16:
            return action(std::int16_t{});
        case DataType::u16:
            return action(std::uint16_t{});
        case DataType::i32:
            return action(std::int32_t{});
        case DataType::u32:
            return action(std::uint32_t{});
        case DataType::i64:
            return action(std::int64_t{});
        case DataType::u64:
            return action(std::uint64_t{});
        default:
            break;
    }
}

}  // namespace

bool is_real(DataType type) {
    return type == DataType::f32 || type == DataType::f64 || type == DataType::f16 ||
           type == DataType::bf16 || (type >= DataType::f8e4m3fn && type <= DataType::f4e2m1);
}

std::vector<double> to_numbers(DataType type, std::span<const std::byte> bytes) {
    std::vector<double> numbers;
    numbers.reserve(bytes.size() / std::max<std::size_t>(size_of(type), 1));
    if (type == DataType::f16 || type == DataType::bf16) {
        const Format16 format = type == DataType::f16 ? f16 : bf16;
        decode_all<std::uint16_t>(bytes, numbers,
                                  [&](std::uint16_t bits) { return decode(bits, format); });
    }
    if (is_small(type)) {
        decode_all<std::uint8_t>(bytes, numbers,
                                 [&](std::uint8_t byte) { return decode_small(type, byte); });
    }
    with_type(type, [&]<typename T>(T /*value*/) {
        decode_all<T>(bytes, numbers, [](T value) { return static_cast<double>(value); });
    });
    return numbers;
}

std::vector<std::byte> from_numbers(DataType type, std::span<const double> numbers) {
    std::vector<std::byte> bytes;
    if (type == DataType::f16 || type == DataType::bf16) {
        const Format16 format = type == DataType::f16 ? f16 : bf16;
        encode_all<std::uint16_t>(numbers, bytes,
                                  [&](double value) { return encode(value, format); });
    }
    if (is_small(type)) {
        encode_all<std::uint8_t>(numbers, bytes,
                                 [&](double value) { return encode_small(type, value); });
    }
    with_type(type, [&]<typename T>(T /*value*/) {
        encode_all<T>(numbers, bytes, [](double value) { return nearest<T>(value); });
    });
    return bytes;
}

}  // namespace accel::tools
