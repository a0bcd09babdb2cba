// SPDX-License-Identifier: Apache-2.0
//
// What a model's activations are like when it runs.
#pragma once

#include <accel/quantize.hpp>

#include <map>
#include <span>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace accel::compiler {

/// All inputs of each run.
using CalibrationData = std::span<const std::vector<TensorData>>;

struct Range {
    float low = 0;
    float high = 0;
};

/// Runs the model with all data and gives the ranges of the values that are wanted. The model is as
/// before when this returns.
[[nodiscard]] std::map<std::string, Range> calibrate(const Device& device, onnx::ModelProto& model,
                                                     const std::string& name,
                                                     const std::vector<std::string>& wanted,
                                                     CalibrationData data,
                                                     const QuantizeOptions& options);

/// How far the f32 outputs of two models are from one another.
[[nodiscard]] std::vector<OutputNoise> noise(const Device& device, const Model& before,
                                             const Model& after, CalibrationData data);

}  // namespace accel::compiler
