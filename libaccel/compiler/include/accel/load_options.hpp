// SPDX-License-Identifier: Apache-2.0
//
// How a model is loaded, and the exception that asks for another constant input.
#pragma once

#include <accel/error.hpp>
#include <accel/tensor.hpp>

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace accel {

struct LoadOptions {
    /// The length of a first dimension that the model leaves open. It also replaces a first
    /// dimension of 1 that the model states. Zero: an open first dimension without a name, or with
    /// the name of a batch (such as "batch" or "N"), is 1; any other is refused.
    std::int64_t batch = 0;
    /// The lengths of dimensions that the model names.
    std::map<std::string, std::int64_t> dimensions = {};
    /// The shapes of inputs, instead of the shapes in the model.
    std::map<std::string, std::vector<std::int64_t>> shapes = {};
    /// Inputs that are the same in every run, such as a target shape. They are not inputs of the
    /// loaded model.
    std::map<std::string, TensorData> constant_inputs = {};
    /// The card does not compute in f64 or u64, and models with these types are refused. True: the
    /// compiler uses f32 for f64 and i64 for u64. Inputs and outputs keep their types.
    bool allow_narrowing = false;
    /// Nodes whose result shapes depend on the values of a run cannot be compiled in advance, and
    /// are refused. True: the host computes these nodes and all that depend on them in each run.
    /// Model::host_nodes() lists them.
    bool host_fallback = false;
    /// Weights that another process has on the card: a descriptor of Model::export_weights(). They
    /// must belong to the same model, loaded with the same options. The caller keeps ownership of
    /// the descriptor. -1: none.
    int imported_weights = -1;
    /// Every pass of the compiler writes its name and its changes to this stream.
    std::ostream* log = nullptr;
};

/// Model::load() throws this when the values of an input decide a shape.
class ACCEL_API ConstantInputRequired : public Error {
  public:
    ConstantInputRequired(const std::string& what, std::string input);
    [[nodiscard]] const std::string& input() const noexcept { return input_; }

  private:
    std::string input_;
};

}  // namespace accel
