// SPDX-License-Identifier: Apache-2.0
//
// The shapes of the inputs of a model, and the lengths in them that are open: each run may decide
// them.
#pragma once

#include <accel/load_options.hpp>
#include <accel/tensor.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ir/tensor.hpp"

namespace onnx {
class GraphProto;
class ValueInfoProto;
}  // namespace onnx

namespace accel::compiler {

/// A dimension of an input. A fixed one has a length that cannot change.
struct InputDimension {
    std::string name;                   // empty if it has none
    std::optional<std::int64_t> fixed;  // nothing: it is open
    std::optional<std::int64_t> first;  // the length of an open one before anybody gives another
};

struct InputShape {
    std::string name;
    DataType type = DataType::f32;
    bool has_rank = true;  // false: the model does not state the number of dimensions
    std::vector<InputDimension> dimensions;
};

class InputShapes {
  public:
    explicit InputShapes(std::vector<InputShape> inputs) : inputs_(std::move(inputs)) {}
    /// The inputs of a graph that are no weights and no constants of the options.
    InputShapes(const onnx::GraphProto& graph, const LoadOptions& options);

    [[nodiscard]] std::span<const InputShape> inputs() const { return inputs_; }
    /// Whether a length is open.
    [[nodiscard]] bool open() const;
    /// The inputs with -1 for open lengths.
    [[nodiscard]] std::vector<TensorInfo> describe() const;
    /// The shapes of all inputs before anybody gives others, if all lengths have one.
    [[nodiscard]] std::optional<std::vector<Dims>> first() const;

    /// The shapes of all inputs for the lengths that a caller gives. Throws Error that names the
    /// input, the dimension, the length, and what it can be.
    [[nodiscard]] std::vector<Dims> resolve(const ModelShape& shape) const;
    /// Throws the same if the inputs of a run cannot have these shapes.
    void check(std::span<const Dims> shapes) const;

  private:
    void check_names(const ModelShape& shape) const;

    std::vector<InputShape> inputs_;
};

/// Whether the name of a first dimension says that it counts examples. No name does, too.
[[nodiscard]] bool counts_examples(const std::string& name);

/// The shapes of inputs in words: "'ids' [1, 128], 'mask' [1, 128]".
[[nodiscard]] std::string describe_shapes(std::span<const InputShape> inputs,
                                          std::span<const Dims> shapes);

/// The lengths that inputs can have: "'ids' [batch, sequence]".
[[nodiscard]] std::string describe_patterns(std::span<const InputShape> inputs);

}  // namespace accel::compiler
