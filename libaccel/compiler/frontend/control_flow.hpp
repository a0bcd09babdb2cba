// SPDX-License-Identifier: Apache-2.0
//
// If and Loop: nodes whose inner graphs see the names around them. They become branches and loops
// of the card where a run decides, and disappear where the decision is known at load time.
#pragma once

#include <functional>
#include <optional>

#include "frontend/graph_inputs.hpp"
#include "frontend/operator_table.hpp"

namespace accel::compiler {

class HalfPrecision;

/// The parts of the import that these nodes use.
class GraphImporter {
  public:
    GraphImporter() = default;
    GraphImporter(const GraphImporter&) = delete;
    GraphImporter(GraphImporter&&) = delete;
    GraphImporter& operator=(const GraphImporter&) = delete;
    GraphImporter& operator=(GraphImporter&&) = delete;
    virtual ~GraphImporter() = default;

    [[nodiscard]] virtual Builder& builder() = 0;
    [[nodiscard]] virtual HalfPrecision& half_precision() = 0;
    /// Imports an inner graph, which sees the names around it. Returns its outputs.
    [[nodiscard]] virtual Values import_inner(const onnx::GraphProto& graph, Scope scope) = 0;
    /// Imports a node as a loop or a branch of the card. Nothing: it cannot be one, or it is to be
    /// folded, and the program is as before.
    [[nodiscard]] virtual std::optional<Values> attempt(
        const onnx::NodeProto& node, const std::function<std::optional<Values>()>& import) = 0;
};

[[nodiscard]] Values lower_if(const onnx::NodeProto& node, const Scope& scope,
                              GraphImporter& importer);
[[nodiscard]] Values lower_loop(const onnx::NodeProto& node, const Scope& scope,
                                GraphImporter& importer);

}  // namespace accel::compiler
