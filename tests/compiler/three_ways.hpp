// SPDX-License-Identifier: Apache-2.0
//
// Runs small models on the card, folded (all inputs are constants), and behind nodes that the host
// computes, and compares the bits of the results.
#pragma once

#include <accel/model.hpp>

#include <onnx.pb.h>

#include <string>
#include <vector>

namespace accel::test {

struct Case {
    std::string name;
    onnx::ModelProto model;
    std::vector<TensorInfo> ports;   // the inputs of the model
    std::vector<TensorData> inputs;  // their values
};

struct Result {
    std::vector<TensorData> outputs;
    std::string error;     // empty if it ran
    bool refused = false;  // the model, not the run, is not supported
};

/// Compiles and runs a model on the card. Inputs that decide shapes become constants.
[[nodiscard]] Result run_on_card(const Device& device, Queue& queue, const Case& one);

/// All inputs are constants, so that the compiler folds all nodes that it can.
[[nodiscard]] Result run_folded(const Device& device, Queue& queue, const Case& one);

/// Whether run_on_host() supports the opset, the inputs and the outputs of a model.
[[nodiscard]] bool fits_host(const Case& one);

/// Each input passes nodes that only the host computes, and so does all that depends on it.
[[nodiscard]] Result run_on_host(const Device& device, Queue& queue, const Case& one);

/// Empty if the results have the same bits. The payloads of NaNs may differ.
[[nodiscard]] std::string difference(const Result& card, const Result& other);

}  // namespace accel::test
