// SPDX-License-Identifier: Apache-2.0
//
// Rewrites a model for a newer opset, in which operators have other inputs and attributes.
#pragma once

#include <cstdint>

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// The opset in which QuantizeLinear and DequantizeLinear have an axis.
inline constexpr std::int64_t quantized_opset = 13;

/// Raises a model of opset 7 to 12 to opset 13. Newer models stay as they are. Throws Error with
/// the node that cannot be converted.
void raise_opset(onnx::ModelProto& model);

}  // namespace accel::compiler
