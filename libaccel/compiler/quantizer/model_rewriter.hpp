// SPDX-License-Identifier: Apache-2.0
//
// Inserts QuantizeLinear and DequantizeLinear into a model.
#pragma once

#include <map>
#include <string>

#include "quantizer/calibration.hpp"
#include "quantizer/quantize_sites.hpp"

namespace accel::compiler {

/// Quantizes the weights, biases and activations of all sites. `ranges` has a range for each
/// activation. `sites` must hold pointers into another copy of the model.
void insert_quantization(onnx::ModelProto& model, const Sites& sites,
                         const std::map<std::string, Range>& ranges);

}  // namespace accel::compiler
