// SPDX-License-Identifier: Apache-2.0
//
// Scan and SequenceMap: nodes that apply an inner graph, their body, to the elements of tensors or
// sequences. Both are unrolled.
#pragma once

#include <functional>

#include "frontend/operator_table.hpp"

namespace accel::compiler {

/// Imports the body of a node once, with these inputs, and returns its outputs.
using BodyImport = std::function<Values(const Values& inputs)>;

/// A loop runs at most so many times, because each iteration becomes instructions of its own.
inline constexpr std::int64_t max_iterations = 10000;

/// From opset 9 on. `outputs` is the number of outputs of the body.
[[nodiscard]] Values lower_scan(const Node& n, std::size_t outputs, const BodyImport& body);

/// Opset 8: the first axis of all tensors counts the sequences of a batch, and the first input
/// holds their lengths.
[[nodiscard]] Values lower_batched_scan(const Node& n, std::size_t outputs, const BodyImport& body);

[[nodiscard]] Values lower_sequence_map(const Node& n, std::size_t outputs, const BodyImport& body);

}  // namespace accel::compiler
