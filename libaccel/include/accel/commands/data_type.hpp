// SPDX-License-Identifier: Apache-2.0
//
// Data types of tensor elements, and the numeric format of a matrix product or a convolution.
#pragma once

#include <cstdint>

namespace accel {

/// The data type of a tensor's elements. Data types other than f32 need FEATURE_TENSOR in
/// DeviceInfo::features.
enum class DataType : std::uint8_t {
    f32 = 1,
    bf16 = 2,
    f16 = 3,
    i8 = 4,
    u8 = 5,
    i16 = 6,
    u16 = 7,
    i32 = 8,
    u32 = 9,
    i64 = 10,
    boolean = 11,  ///< one byte: zero is false, any other value is true
    f64 = 12,      ///< for Elementwise only, which rounds it to f32
    u64 = 13,      ///< for Elementwise only, which clamps it to the range of i64
    // Small types, for Elementwise only. Each element occupies one byte. They need
    // FEATURE_SMALL_TYPES.
    f8e4m3fn = 14,    ///< float: 4 bits of exponent, 3 of mantissa; finite
    f8e4m3fnuz = 15,  ///< the same without a negative zero
    f8e5m2 = 16,      ///< float: 5 bits of exponent, 2 of mantissa
    f8e5m2fnuz = 17,  ///< the same, finite and without a negative zero
    f8e8m0 = 18,      ///< a power of two: 8 bits of exponent, without a sign
    f4e2m1 = 19,      ///< float in the low 4 bits: 2 bits of exponent, 1 of mantissa
    i4 = 20,          ///< in the low 4 bits; the others extend the sign
    u4 = 21,          ///< in the low 4 bits; the others are zero
    i2 = 22,          ///< in the low 2 bits; the others extend the sign
    u2 = 23,          ///< in the low 2 bits; the others are zero
};

/// Bytes of one element.
[[nodiscard]] constexpr std::uint32_t size_of(DataType type) noexcept {
    switch (type) {
        case DataType::i8:
        case DataType::u8:
        case DataType::boolean:
        case DataType::f8e4m3fn:
        case DataType::f8e4m3fnuz:
        case DataType::f8e5m2:
        case DataType::f8e5m2fnuz:
        case DataType::f8e8m0:
        case DataType::f4e2m1:
        case DataType::i4:
        case DataType::u4:
        case DataType::i2:
        case DataType::u2:
            return 1;
        case DataType::bf16:
        case DataType::f16:
        case DataType::i16:
        case DataType::u16:
            return 2;
        case DataType::i64:
        case DataType::f64:
        case DataType::u64:
            return 8;
        default:
            return 4;
    }
}

/// The numeric format of Gemm and Conv2d: data types, zero points and requantization.
///
/// - Floats: each of the sources and the result is f32, bf16 or f16, in any combination.
/// - Quantized: both sources are i8 or u8, sums are exact, and the result is i32. With
///   `requantize` the result is f32, i8 or u8, and the bias operand holds a pair {i32 bias, f32
///   scale} for each channel: the card applies the activation to (sum + bias) * scale.
///
/// The zero points of the sources are subtracted from each source element; result_zero_point is
/// added to each i8 or u8 result.
struct NumericFormat {
    DataType a_type = DataType::f32;  ///< of the first source: Gemm::a, Conv2d::src
    DataType b_type = DataType::f32;  ///< of the second source: Gemm::b, Conv2d::weights
    DataType result_type = DataType::f32;
    std::int16_t a_zero_point = 0;
    std::int16_t b_zero_point = 0;
    std::int16_t result_zero_point = 0;
    bool requantize = false;
    bool accumulate = false;  ///< adds the old content of the result before the activation; f32
};

}  // namespace accel
