// SPDX-License-Identifier: Apache-2.0
//
// Descriptions of a loaded model: its memory, its commands, and the nodes that the host computes.
#pragma once

#include <cstdint>
#include <string>

namespace accel {

/// The result of memory planning, in bytes.
struct MemoryUse {
    std::uint64_t weights = 0;
    std::uint64_t activations = 0;  ///< the sum of all activations
    std::uint64_t peak = 0;         ///< the scratch memory in which activations take turns

    [[nodiscard]] double ratio() const {
        return activations == 0 ? 0 : static_cast<double>(peak) / static_cast<double>(activations);
    }
};

/// A node that the host computes in each run.
struct HostNode {
    std::string node;
    std::string reason;
};

/// A command of a compiled model, and the node that it implements.
struct ModelCommand {
    std::string node;
    std::string command;
};

}  // namespace accel
