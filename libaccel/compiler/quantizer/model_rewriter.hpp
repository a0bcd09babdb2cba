// SPDX-License-Identifier: Apache-2.0
//
// Inserts QuantizeLinear and DequantizeLinear into a model.
#pragma once

#include <map>
#include <string>

#include "quantizer/calibration.hpp"
#include "quantizer/quantize_sites.hpp"
#include "quantizer/temporary_file.hpp"

namespace accel::compiler {

/// Quantizes the weights, biases and activations of all sites. `ranges` has a range for each
/// activation. `sites` must hold pointers into another copy of the model. The quantized weights are
/// written to the file `quantized`, part by part, and are external tensors of the model.
void insert_quantization(ParsedModel& model, const Sites& sites,
                         const std::map<std::string, Range>& ranges, TemporaryFile& quantized);

}  // namespace accel::compiler
