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

/// Throws Failure that begins with `name` if the bytes are no array that a tensor can hold. A file
/// does not name the type of an array of ml_dtypes: it is `wanted`, if that is a small type.
[[nodiscard]] TensorData parse_npy(const std::string& name, std::span<const std::byte> bytes,
                                   DataType wanted);

/// A file that numpy.load() reads. bf16 and small types, which numpy does not have, become "V2" and
/// "V1", as ml_dtypes writes them.
[[nodiscard]] std::vector<std::byte> to_npy(const TensorData& tensor);

/// The remedy for an array of another type: "convert it, in numpy: a.astype('<f4')".
[[nodiscard]] std::string conversion_hint(DataType type);

}  // namespace accel::tools
