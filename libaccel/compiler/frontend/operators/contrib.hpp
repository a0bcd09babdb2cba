// SPDX-License-Identifier: Apache-2.0
//
// Helpers of the operators of the domain com.microsoft.
#pragma once

#include <optional>
#include <string>

#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

/// Lowers an operator of ai.onnx with other inputs; it reads the attributes of the node.
[[nodiscard]] Values lowered_as(const Node& n, const char* name, Node::Inputs inputs);

/// An optional input of a node.
[[nodiscard]] inline std::optional<ValueId> optional_input(const Node& n, std::size_t i) {
    return n.has(i) ? std::optional(n.in(i)) : std::nullopt;
}

/// Adds an optional input.
[[nodiscard]] ValueId add_input(const Node& n, ValueId x, std::size_t input);

/// The activation that a node fuses, by its name in ONNX; an empty name is none. `parameters` are
/// those of the activation, in the order of their names; absent ones have ONNX's defaults.
[[nodiscard]] ValueId activated(const Node& n, ValueId x, const std::string& name,
                                const std::vector<float>& parameters);

/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
[[nodiscard]] ValueId tanh_gelu(const Node& n, ValueId x);

/// x * sigmoid(x)
[[nodiscard]] ValueId silu(const Node& n, ValueId x);

/// The operand of a matrix product, with its last two dimensions exchanged if the attribute says
/// so.
[[nodiscard]] ValueId transposed_if(const Node& n, ValueId x, const char* attribute);

// Registration, one for each file contrib_*.cpp; called by add_contrib().
void add_contrib_attention(OperatorTable& table);
void add_contrib_convolutions(OperatorTable& table);
void add_contrib_grouped_attention(OperatorTable& table);
void add_contrib_normalizations(OperatorTable& table);
void add_contrib_packed_weights(OperatorTable& table);
void add_contrib_position_bias(OperatorTable& table);
void add_contrib_products(OperatorTable& table);
void add_contrib_quantized(OperatorTable& table);
void add_contrib_quantized_products(OperatorTable& table);
void add_contrib_tensors(OperatorTable& table);

}  // namespace accel::compiler
