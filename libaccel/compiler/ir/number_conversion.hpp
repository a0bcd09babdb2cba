// SPDX-License-Identifier: Apache-2.0
//
// Elements as numbers and back, converted as the engines of the card convert them (see the data
// sheet). Elements need no alignment: they may be anywhere in a file.
#pragma once

#include <accel/command.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace accel::compiler {

/// `from` has as many elements as `to`.
void read_numbers(DataType type, std::span<const std::byte> from, std::span<float> to);
void read_numbers(DataType type, std::span<const std::byte> from, std::span<std::int64_t> to);

/// `to` has room for as many elements as `from` has.
void write_numbers(DataType type, std::span<const float> from, std::span<std::byte> to);
void write_numbers(DataType type, std::span<const std::int64_t> from, std::span<std::byte> to);

/// A value after the conversion to a floating-point type and back.
[[nodiscard]] float rounded_to(DataType type, float x);

}  // namespace accel::compiler
