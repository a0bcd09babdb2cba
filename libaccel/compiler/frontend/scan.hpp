// SPDX-License-Identifier: Apache-2.0
//
// Scan and SequenceMap: nodes that apply an inner graph, their body, to the elements of tensors or
// sequences. A Scan becomes a loop of the card if it can, else it is unrolled.
#pragma once

#include <functional>
#include <optional>

#include "frontend/operator_table.hpp"

namespace accel::compiler {

/// Imports the body of a node once, with these inputs, and returns its outputs.
using BodyImport = std::function<Values(const Values& inputs)>;

/// An unrolled loop runs at most so many times, because each iteration becomes instructions of its
/// own.
inline constexpr std::int64_t max_iterations = 10000;
/// So few iterations are unrolled: the first and the last ones often need fewer commands.
inline constexpr std::int64_t max_unrolled_steps = 8;

/// From opset 9 on. `outputs` is the number of outputs of the body.
[[nodiscard]] Values lower_scan(const Node& n, std::size_t outputs, const BodyImport& body);

/// The same as a loop of the card. Nothing: it is to be unrolled.
[[nodiscard]] std::optional<Values> loop_scan(const Node& n, std::size_t outputs,
                                              const BodyImport& body);

/// Whether a loop may carry a value from pass to pass. One of f16 or bf16 would be rounded in each
/// pass, but not in an unrolled loop.
[[nodiscard]] bool can_be_carried(const Builder& b, ValueId id);

/// Opset 8: the first axis of all tensors counts the sequences of a batch, and the first input
/// holds their lengths.
[[nodiscard]] Values lower_batched_scan(const Node& n, std::size_t outputs, const BodyImport& body);

[[nodiscard]] Values lower_sequence_map(const Node& n, std::size_t outputs, const BodyImport& body);

}  // namespace accel::compiler
