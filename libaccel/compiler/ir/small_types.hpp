// SPDX-License-Identifier: Apache-2.0
//
// Elements of small types, converted as the card converts them.
#pragma once

#include <accel/command.hpp>

#include <cstdint>

namespace accel::compiler {

/// The small types, which ELEMENTWISE converts and no engine computes in: floats of 8 and 4 bits,
/// integers of 4 and 2 bits. A tensor in memory has a byte for each element.
[[nodiscard]] constexpr bool is_small(DataType type) {
    return type >= DataType::f8e4m3fn && type <= DataType::u2;
}

/// Types of which several elements share a byte in an ONNX file.
[[nodiscard]] constexpr bool is_packed(DataType type) {
    return type >= DataType::f4e2m1 && type <= DataType::u2;
}

/// The bits of an element of such a type.
[[nodiscard]] constexpr std::uint32_t packed_bits(DataType type) {
    return type == DataType::i2 || type == DataType::u2 ? 2 : 4;
}

/// The bits of an element of any type in an ONNX file.
[[nodiscard]] constexpr std::uint32_t file_bits(DataType type) {
    return is_packed(type) ? packed_bits(type) : 8 * size_of(type);
}

/// The number that a byte of a small type stands for.
[[nodiscard]] float small_to_float(DataType type, std::uint8_t byte);

/// The byte of a small type. A float that is too large for an integer is clamped; an integer keeps
/// its low bits.
[[nodiscard]] std::uint8_t to_small(DataType type, float x);
[[nodiscard]] std::uint8_t to_small(DataType type, std::int64_t x);

}  // namespace accel::compiler
