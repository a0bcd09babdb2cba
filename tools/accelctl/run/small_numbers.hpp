// SPDX-License-Identifier: Apache-2.0
//
// The numbers of the small types: floats of 8 and 4 bits, integers of 4 and 2 bits, a byte each.
#pragma once

#include <accel/command.hpp>

#include <cstdint>

namespace accel::tools {

[[nodiscard]] constexpr bool is_small(DataType type) {
    return type >= DataType::f8e4m3fn && type <= DataType::u2;
}

/// The bits of an element in a file of ONNX, where several elements share a byte.
[[nodiscard]] constexpr unsigned packed_bits(DataType type) {
    return type == DataType::i2 || type == DataType::u2                               ? 2
           : type == DataType::i4 || type == DataType::u4 || type == DataType::f4e2m1 ? 4
                                                                                      : 8;
}

[[nodiscard]] double decode_small(DataType type, std::uint8_t byte);

/// The byte whose number is next to `value`.
[[nodiscard]] std::uint8_t encode_small(DataType type, double value);

}  // namespace accel::tools
