// SPDX-License-Identifier: Apache-2.0
//
// Reads the files of ONNX's operator tests: tensors, sequences and optionals.
#pragma once

#include <accel/tensor.hpp>

#include <filesystem>
#include <vector>

namespace accel::test {

/// The tensor of a file, or the elements of its sequence or optional, of which there must be one.
/// Throws Error otherwise, and if the card does not have a data type.
[[nodiscard]] std::vector<TensorData> read_value_file(const std::filesystem::path& file);

}  // namespace accel::test
