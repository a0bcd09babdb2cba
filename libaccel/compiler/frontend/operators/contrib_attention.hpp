// SPDX-License-Identifier: Apache-2.0
//
// Attention of the domain com.microsoft, whose masks add a large negative number.
#pragma once

#include <optional>

#include "frontend/operators/attention_core.hpp"

namespace accel::compiler {

/// The mask and the biases of an attention of com.microsoft. Absent values do nothing.
struct MaskedScores {
    std::optional<ValueId> mask;  // one of the formats of mask_index
    std::optional<ValueId> bias;  // added to the scores
    bool causal = false;
    bool shown = false;  // the softmax is an output
};

/// The keys and values behind those of the past, [batch, heads, length, size] each.
struct KeysAndValues {
    ValueId k = 0;
    ValueId v = 0;
};

/// The result [batch, length, hidden], and the softmax if it is shown. The node has the attributes
/// scale and mask_filter_value.
struct Attended {
    ValueId result = 0;
    std::optional<ValueId> probabilities;
};
[[nodiscard]] Attended attended(const Node& n, const AttentionHeads& heads,
                                const MaskedScores& scores);

}  // namespace accel::compiler
