// SPDX-License-Identifier: Apache-2.0
//
// How a model is loaded, and the exception that asks for another constant input.
#pragma once

#include <accel/error.hpp>
#include <accel/tensor.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace accel {

/// The lengths that a model leaves open. One that is missing is that of the first shape, if the
/// file or an option states it, or 1 if it is the length of a batch.
struct ModelShape {
    /// The lengths of dimensions, by name.
    std::map<std::string, std::int64_t> dimensions = {};
    /// The shapes of inputs, by name.
    std::map<std::string, std::vector<std::int64_t>> inputs = {};
};

struct LoadOptions {
    /// The length of a first dimension that the model leaves open. It also replaces a first
    /// dimension of 1 that the model states. Zero: no length is given.
    std::int64_t batch = 0;
    /// The lengths of dimensions that the model names.
    std::map<std::string, std::int64_t> dimensions = {};
    /// The shapes of inputs, instead of the shapes in the model.
    std::map<std::string, std::vector<std::int64_t>> shapes = {};
    /// The dimensions, by name, whose lengths may change after the load. Their lengths in
    /// `dimensions` or `batch` are those of the first shape. Not set: all that neither the file nor
    /// an option above states. An empty list: none, so load() refuses a model with an open length.
    /// See Model::specialize().
    std::optional<std::vector<std::string>> open_dimensions = std::nullopt;
    /// Shapes that load() compiles at once, and that stay compiled.
    std::vector<ModelShape> specializations = {};
    /// The most shapes besides these that stay compiled: those that were used last. At least 1.
    std::size_t max_shapes = 16;
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
