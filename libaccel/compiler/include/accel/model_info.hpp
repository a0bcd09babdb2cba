// SPDX-License-Identifier: Apache-2.0
//
// Descriptions of a model: its memory, its commands, the nodes that the host computes, and what is
// not supported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace accel {

/// The result of memory planning, in bytes.
struct MemoryUse {
    std::uint64_t weights = 0;      ///< on the card once, for all shapes of the model
    std::uint64_t activations = 0;  ///< the sum of all activations
    std::uint64_t peak = 0;         ///< the scratch memory in which activations take turns
    /// Weights that only this shape of the model reads, such as a mask of its length.
    std::uint64_t shape_weights = 0;

    [[nodiscard]] double ratio() const {
        return activations == 0 ? 0 : static_cast<double>(peak) / static_cast<double>(activations);
    }
};

/// A dimension of an input whose length runs may change.
struct OpenDimension {
    std::string input;
    std::size_t axis = 0;
    std::string name;  ///< empty if it has none. Dimensions of one name have one length
};

/// A node that the host computes in each run.
struct HostNode {
    std::string node;
    std::string reason;
};

/// A cause for which Model::load() refuses a model, and the nodes that have it.
struct Unsupported {
    std::string domain;       ///< of the operator; empty if the cause concerns the whole model
    std::string op_type;      ///< the operator; empty likewise
    std::uint64_t nodes = 0;  ///< the number of nodes with this cause
    std::string node;         ///< the first of them: its name, or the name of its output
    std::string cause;        ///< why it is not supported
    std::string remedy;       ///< what to do
};

/// A command of a compiled model, and the node that it implements.
struct ModelCommand {
    std::string node;
    std::string command;
};

}  // namespace accel
