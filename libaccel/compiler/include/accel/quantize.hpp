// SPDX-License-Identifier: Apache-2.0
//
// Post-training quantization: a model of f32 becomes one whose products are of bytes.
#pragma once

#include <accel/model.hpp>

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace accel {

struct QuantizeOptions {
    /// How the model is loaded to be calibrated.
    LoadOptions load = {};
    /// Nodes that stay as they are, by their name or that of their first output.
    std::vector<std::string> keep = {};
    /// Of the values of an activation, in percent: what lies outside is cut off. 100: nothing is.
    double percentile = 100;
    /// Called now and then with how much is done, 0 to 1.
    std::function<void(double)> progress = {};
};

/// What became of a node that multiplies.
struct QuantizedNode {
    std::string node;
    std::string reason;  ///< empty: it multiplies bytes now
};

/// How far an f32 output of the quantized model is from that of the model, over all calibration
/// data: 10 log10 of the power of the signal by that of the difference.
struct OutputNoise {
    std::string output;
    double signal_to_noise = 0;  ///< in dB; infinite: no difference
};

struct QuantizeReport {
    std::vector<QuantizedNode> nodes;
    std::vector<OutputNoise> outputs;
};

/// Writes `result`, an ONNX file whose Conv, Gemm and MatMul with known weights have
/// QuantizeLinear and DequantizeLinear around them: weights i8, with a scale for each channel,
/// activations u8, with the range that they have when the model runs on the card with the
/// `calibration` data, each entry of which is all inputs of one run. Other programs that know ONNX
/// take that file, too; Model::load() makes commands of bytes of it.
///
/// Throws Error that says what to do. Nothing is written then.
ACCEL_API QuantizeReport quantize(const Device& device, const std::filesystem::path& model,
                                  std::span<const std::vector<TensorData>> calibration,
                                  const std::filesystem::path& result,
                                  const QuantizeOptions& options = {});

}  // namespace accel
