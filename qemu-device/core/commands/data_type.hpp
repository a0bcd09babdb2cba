// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The data types in memory, and their conversion to and from the types that the engines compute in:
// f32 and 64-bit integers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accel_hw.h"

namespace accel::card {

// The bytes of an element. Zero: there is no such type.
[[nodiscard]] unsigned type_bytes(std::uint8_t type);

[[nodiscard]] inline bool is_int8(std::uint8_t type) {
    return type == ACCEL_TYPE_I8 || type == ACCEL_TYPE_U8;
}

// Converts `count` elements of `type` at `from`. It works in place only if the type is the same.
void load(std::uint8_t type, const void* from, std::size_t count, float* to);
void load(std::uint8_t type, const void* from, std::size_t count, std::int64_t* to);

// Converts back to elements of `type`. From f32 to integers: it truncates, clamps to the range, and
// turns a NaN into zero. From integers: it drops the upper bits. It works in place if the elements
// do not get longer.
void store(std::uint8_t type, const float* from, std::size_t count, void* to);
void store(std::uint8_t type, const std::int64_t* from, std::size_t count, void* to);

// The value of a byte of an int8 type, such as a zero point.
[[nodiscard]] inline std::int32_t int8_value(std::uint8_t type, std::uint8_t byte) {
    return type == ACCEL_TYPE_I8 ? static_cast<std::int8_t>(byte) : byte;
}

}  // namespace accel::card
