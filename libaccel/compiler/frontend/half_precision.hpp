// SPDX-License-Identifier: Apache-2.0
//
// The rounding of f16 and bf16. Nodes that compute in these types become instructions on f32
// values. A value is rounded only where it leaves a chain of such nodes: as an output of the model,
// or as an input of another node. A Cast at the border of a chain does not round either.
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

    /// How the results of a node are rounded.
    struct Rounding {
        DataType type;
        bool by_cast;  // the model itself has a Cast that rounds the values
    };

    /// Replaces f16 or bf16 inputs of a node by f32 values, if its operator computes in f32.
    /// Returns how to round its results, if inputs were replaced. `name` is that of the table.
    [[nodiscard]] std::optional<Rounding> widen(const std::string& name, Node::Inputs& inputs);

    /// Rounds those results of a widened node that are f32, for nodes that read the rounded values.
    /// The f32 values are remembered.
    void round(const std::string& name, std::vector<ValueId>& results, const Rounding& rounding);

    /// The result of a Cast whose input is `from` and whose own result is `to`. The value is not
    /// rounded between a Cast and an operator that computes. It is rounded by a Cast to f16 or bf16
    /// whose result is read by a Cast back.
    [[nodiscard]] ValueId cast(ValueId from, ValueId to);

    /// Forgets all values from `first` on: those of a region that has ended.
    void forget_from(ValueId first);

  private:
    struct Unrounded {
        ValueId value;
        bool by_cast = false;
    };

    [[nodiscard]] std::optional<DataType> type_of(const Node::Inputs& inputs) const;
    [[nodiscard]] bool is_half(const std::optional<ValueId>& id) const;
    [[nodiscard]] ValueId wide(ValueId id);

    Builder& builder_;
    std::map<ValueId, Unrounded> unrounded_;  // f32 values, by their rounded form
    std::map<ValueId, ValueId> widened_;      // f32 forms of other values
};

}  // namespace accel::compiler
