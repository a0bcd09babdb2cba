// SPDX-License-Identifier: Apache-2.0
//
// Tensors and data types of ONNX, and those of the card.
#pragma once

#include <accel/tensor.hpp>

#include <cstdint>
#include <string>

#include "frontend/weight_files.hpp"
#include "ir/tensor.hpp"

namespace onnx {
class TensorProto;
class TypeProto;
class TypeProto_Tensor;
class ValueInfoProto;
}  // namespace onnx

namespace accel::compiler {

/// The name of a TensorProto::DataType, such as "FLOAT8E4M3FN".
[[nodiscard]] std::string name_of_type(std::int64_t onnx_type);
/// The data type of a TensorProto::DataType. Throws if the card does not support it.
[[nodiscard]] DataType data_type_of(std::int64_t onnx_type);
/// The reverse.
[[nodiscard]] std::int32_t onnx_type_of(DataType type);

/// Copies the elements of a tensor, or shares them with a file of `weights`.
[[nodiscard]] Constant import_tensor(const onnx::TensorProto& proto,
                                     WeightFiles* weights = nullptr);

/// The type of a tensor, or of the elements of a sequence or an optional.
[[nodiscard]] const onnx::TypeProto_Tensor& element_type_of(const onnx::TypeProto& type);

/// The type and shape that a graph declares for an input. Open dimensions are -1.
[[nodiscard]] TensorInfo describe_tensor(const onnx::ValueInfoProto& input);

}  // namespace accel::compiler
