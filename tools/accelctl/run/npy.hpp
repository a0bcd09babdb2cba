// SPDX-License-Identifier: Apache-2.0
//
// Files of numpy (.npy): one array with its data type and shape.
#pragma once

#include <accel/tensor.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace accel::tools {

/// Throws Failure that begins with `name` if the bytes are no array that a tensor can hold.
[[nodiscard]] TensorData parse_npy(const std::string& name, std::span<const std::byte> bytes);

/// A file that numpy.load() reads. bf16, which numpy does not have, becomes "V2", as ml_dtypes
/// writes it.
[[nodiscard]] std::vector<std::byte> to_npy(const TensorData& tensor);

/// The name that numpy's astype() takes.
[[nodiscard]] std::string_view numpy_name(DataType type);

}  // namespace accel::tools
