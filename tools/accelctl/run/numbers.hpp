// SPDX-License-Identifier: Apache-2.0
//
// The elements of tensors as numbers, whatever their data type is.
#pragma once

#include <accel/tensor.hpp>
#include <cstddef>
#include <span>
#include <vector>

namespace accel::tools {

/// True for a data type with a fraction.
[[nodiscard]] bool is_real(DataType type);

/// All elements. i64 and u64 beyond 2^53 are rounded.
[[nodiscard]] std::vector<double> to_numbers(DataType type, std::span<const std::byte> bytes);

/// The nearest values of the data type: ties to even, and beyond the range of an integer its limit.
[[nodiscard]] std::vector<std::byte> from_numbers(DataType type, std::span<const double> numbers);

}  // namespace accel::tools
