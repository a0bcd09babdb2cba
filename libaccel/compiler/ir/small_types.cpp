// SPDX-License-Identifier: Apache-2.0
#include "ir/small_types.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/small_types.hpp"

namespace accel::compiler {

namespace {

[[nodiscard]] bool is_signed(DataType type) {
    return type == DataType::i4 || type == DataType::i2;
}
[[nodiscard]] bool is_small_integer(DataType type) {
    return type >= DataType::i4 && type <= DataType::u2;
}

}  // namespace

float small_to_float(DataType type, std::uint8_t byte) {
    switch (type) {
        case DataType::f8e4m3fn:
            return card::small_values<card::f8e4m3fn>[byte];
        case DataType::f8e4m3fnuz:
            return card::small_values<card::f8e4m3fnuz>[byte];
        case DataType::f8e5m2:
            return card::small_values<card::f8e5m2>[byte];
        case DataType::f8e5m2fnuz:
            return card::small_values<card::f8e5m2fnuz>[byte];
        case DataType::f4e2m1:
            return card::small_values<card::f4e2m1>[byte];
        case DataType::f8e8m0:
            return card::decode_power(byte);
        default:
            return static_cast<float>(is_signed(type)
                                          ? card::decode_signed(byte, packed_bits(type))
                                          : card::decode_unsigned(byte, packed_bits(type)));
    }
}

std::uint8_t to_small(DataType type, float x) {
    switch (type) {
        case DataType::f8e4m3fn:
            return card::encode_small<card::f8e4m3fn>(x);
        case DataType::f8e4m3fnuz:
            return card::encode_small<card::f8e4m3fnuz>(x);
        case DataType::f8e5m2:
            return card::encode_small<card::f8e5m2>(x);
        case DataType::f8e5m2fnuz:
            return card::encode_small<card::f8e5m2fnuz>(x);
        case DataType::f4e2m1:
            return card::encode_small<card::f4e2m1>(x);
        case DataType::f8e8m0:
            return card::encode_power(x);
        default:
            break;
    }
    const int count = 1 << packed_bits(type);
    const auto low = static_cast<float>(is_signed(type) ? -count / 2 : 0);
    const float whole =
        std::isnan(x) ? 0 : std::trunc(std::clamp(x, low, low + static_cast<float>(count - 1)));
    return static_cast<std::uint8_t>(static_cast<int>(whole));
}

std::uint8_t to_small(DataType type, std::int64_t x) {
    if (!is_small_integer(type)) {
        return to_small(type, static_cast<float>(x));
    }
    const auto byte = static_cast<std::uint8_t>(x);
    return is_signed(type) ? static_cast<std::uint8_t>(card::decode_signed(byte, packed_bits(type)))
                           : card::decode_unsigned(byte, packed_bits(type));
}

}  // namespace accel::compiler
