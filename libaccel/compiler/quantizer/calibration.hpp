// SPDX-License-Identifier: Apache-2.0
//
// Calibration: the ranges of activations, measured in runs on the card.
#pragma once

#include <accel/quantize.hpp>

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "frontend/parsed_model.hpp"

namespace accel::compiler {

/// Each entry holds all inputs of one run.
using CalibrationData = std::span<const std::vector<TensorData>>;

struct Range {
    float low = 0;
    float high = 0;
};

/// Runs the model with all data, and returns the ranges of the activations `wanted`. Changes the
/// outputs of the model for that time, and restores them.
[[nodiscard]] std::map<std::string, Range> calibrate(const Device& device, ParsedModel& model,
                                                     const std::string& name,
                                                     const std::vector<std::string>& wanted,
                                                     CalibrationData data,
                                                     const QuantizeOptions& options);

/// The request of a call of quantize().
struct QuantizeTask {
    const QuantizeOptions& options;
    const std::filesystem::path& result;  // its folder gets temporary files
};

/// The difference of the f32 outputs of two models. Only one of them is on the card at a time: the
/// outputs of the first are in a temporary file meanwhile.
[[nodiscard]] std::vector<OutputNoise> measure_noise(const Device& device, ParsedModel& before,
                                                     ParsedModel& after, const std::string& name,
                                                     CalibrationData data,
                                                     const QuantizeTask& task);

/// The same for activations, which both models have by the same names: in dB for each of `wanted`.
/// Changes the outputs of the models for that time.
[[nodiscard]] std::map<std::string, double> measure_node_noise(
    const Device& device, ParsedModel& before, ParsedModel& after, const std::string& name,
    const std::vector<std::string>& wanted, CalibrationData data, const QuantizeTask& task);

}  // namespace accel::compiler
