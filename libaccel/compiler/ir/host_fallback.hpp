// SPDX-License-Identifier: Apache-2.0
//
// The host fallback of a program: an ONNX model that the host computes after the commands of the
// program.
#pragma once

#include <accel/model_info.hpp>
#include <accel/tensor.hpp>

#include <string>
#include <vector>

namespace accel::compiler {

struct HostFallback {
    std::string model;  // the content of an ONNX file
    bool allow_narrowing = false;
    std::vector<HostNode> nodes;
    std::vector<std::string> inputs;  // the last outputs of the program
    std::vector<TensorInfo> outputs;  // shapes as the model declares them
    // The source of each output of the model: the index of an output of the program, or the number
    // of these outputs plus the index of an output of the fallback.
    std::vector<std::size_t> sources;
};

}  // namespace accel::compiler
