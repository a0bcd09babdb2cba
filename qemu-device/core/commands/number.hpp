// SPDX-License-Identifier: GPL-2.0
//
// The types of numbers in memory, and what the engines make of them: f32 or 64-bit integers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accel_hw.h"

namespace accel::card {

// Bytes of an element; zero: no such type.
[[nodiscard]] unsigned type_bytes(std::uint8_t type);

[[nodiscard]] inline bool is_byte(std::uint8_t type) {
    return type == ACCEL_TYPE_I8 || type == ACCEL_TYPE_U8;
}

// `count` elements of `type` at `from` become numbers. Not in place, unless nothing changes.
void load(std::uint8_t type, const void* from, std::size_t count, float* to);
void load(std::uint8_t type, const void* from, std::size_t count, std::int64_t* to);

// And back. An f32 becomes an integer by truncation and is held to its range, a NaN becomes zero;
// an integer loses its upper bits. In place if elements do not get longer.
void store(std::uint8_t type, const float* from, std::size_t count, void* to);
void store(std::uint8_t type, const std::int64_t* from, std::size_t count, void* to);

// A byte as a number of that type.
[[nodiscard]] inline std::int32_t byte_value(std::uint8_t type, std::uint8_t byte) {
    return type == ACCEL_TYPE_I8 ? static_cast<std::int8_t>(byte) : byte;
}

}  // namespace accel::card
