// SPDX-License-Identifier: Apache-2.0
//
// Tensors in files of ONNX (.pb): one TensorProto, as in the test data of ONNX's models.
#pragma once

#include <accel/tensor.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace accel::tools {

/// Throws Failure that begins with `name` if the bytes are no tensor of a supported data type.
[[nodiscard]] TensorData parse_onnx_tensor(const std::string& name,
                                           std::span<const std::byte> bytes);

/// `name` is that of the tensor in the file.
[[nodiscard]] std::vector<std::byte> to_onnx_tensor(const std::string& name,
                                                    const TensorData& tensor);

}  // namespace accel::tools
