// SPDX-License-Identifier: Apache-2.0
//
// Post-training quantization: an f32 model becomes a model whose products are computed in int8.
#pragma once

#include <accel/model.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace accel {

/// The weights of quantized nodes.
enum class WeightFormat : std::uint8_t {
    i8,  ///< with a scale for each channel
    i4,  ///< of MatMul: in blocks of 32 with a scale each, and its activations stay f32. Others: i8
};

struct QuantizeOptions {
    /// How the model is loaded for calibration.
    LoadOptions load = {};
    /// Nodes that stay in f32, by their name or by the name of their first output.
    std::vector<std::string> nodes_to_exclude = {};
    /// The percentage of an activation's values that the quantized range covers. The range
    /// saturates values outside. 100 covers all values.
    double percentile = 100;
    WeightFormat weights = WeightFormat::i8;
    /// Writes the weights to a second file beside the result, with ".data" behind its name
    /// ("external data" of ONNX). A result above 2 GiB, the limit of an ONNX file, always has one.
    bool external_weights = false;
    /// Called from time to time with the progress, from 0 to 1.
    std::function<void(double)> progress = {};
};

/// The result for a node that multiplies, or that works on bytes between such nodes.
struct QuantizedNode {
    std::string node;
    std::string op_type;
    std::string reason;  ///< why it stays in f32; empty if it is quantized
    /// Of a quantized node: the signal-to-noise ratio of its output, as in OutputNoise. It includes
    /// the noise of the nodes before it.
    double signal_to_noise = 0;
};

/// The signal-to-noise ratio of an output: 10 log10(power of the f32 model's output / power of the
/// difference between both models' outputs), over all calibration data.
struct OutputNoise {
    std::string output;
    double signal_to_noise = 0;  ///< in dB; infinite if there is no difference
};

struct QuantizeReport {
    std::vector<QuantizedNode> nodes;
    std::vector<OutputNoise> outputs;
};

/// Writes the ONNX file `result`, in which QuantizeLinear and DequantizeLinear surround each Conv,
/// Gemm and MatMul with constant weights, and nodes such as Add, Concat and MaxPool between them.
/// Weights are i8, with a scale for each channel. Activations are u8, with the range that they have
/// when the model runs on the card with the `calibration` data. Each entry of the data holds all
/// inputs of one run. Other ONNX runtimes execute the file, too. It has opset 13 or newer; models
/// of opset 7 to 12 are converted. Model::load() compiles it to int8 commands.
///
/// Throws Error with a remedy, and writes no file then.
ACCEL_API QuantizeReport quantize(const Device& device, const std::filesystem::path& model,
                                  std::span<const std::vector<TensorData>> calibration,
                                  const std::filesystem::path& result,
                                  const QuantizeOptions& options = {});

}  // namespace accel
