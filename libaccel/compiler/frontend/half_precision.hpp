// SPDX-License-Identifier: Apache-2.0
//
// The rounding of f16 and bf16. Nodes that compute in these types become instructions on f32
// values. A value is rounded only where it leaves a chain of such nodes: as an output of the model,
// or as an input of another node.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/node.hpp"

namespace accel::compiler {

class HalfPrecision {
  public:
    explicit HalfPrecision(Builder& builder) : builder_(builder) {}

    /// Replaces f16 or bf16 inputs of a node by f32 values, if its operator computes in f32.
    /// Returns the type of the inputs, if they were replaced. `name` is that of the table.
    [[nodiscard]] std::optional<DataType> widen(const std::string& name, Node::Inputs& inputs);

    /// Rounds those results of a widened node that are f32 to `type`, for nodes that read the
    /// rounded values. The f32 values are remembered.
    void round(const std::string& name, std::vector<ValueId>& results, DataType type);

  private:
    [[nodiscard]] bool is_half(const std::optional<ValueId>& id) const;
    [[nodiscard]] ValueId wide(ValueId id);

    Builder& builder_;
    std::map<ValueId, ValueId> unrounded_;  // f32 values, by their rounded form
    std::map<ValueId, ValueId> widened_;    // f32 forms of other values
};

}  // namespace accel::compiler
