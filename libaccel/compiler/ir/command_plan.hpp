// SPDX-License-Identifier: Apache-2.0
//
// A program after layout assignment: commands of the card, and the buffers that they use.
#pragma once

#include <accel/command.hpp>

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "ir/tensor.hpp"

namespace accel::compiler {

/// A range of memory. Scratch slots may share memory, one after another.
struct BufferSlot {
    /// Weights that only this shape of the model reads are apart from those that all shapes share.
    enum class Kind : std::uint8_t { scratch, weights, shape_weights, input, output };

    Kind kind = Kind::scratch;
    std::uint64_t bytes = 0;
    std::uint32_t index = 0;   // of an input or output
    Constant data;             // of weights of both kinds
    std::uint64_t offset = 0;  // in the scratch memory or the weights, once planned
};

/// A location in a slot.
struct BufferRef {
    int slot = -1;  // -1: no operand
    std::uint64_t offset = 0;
};

using AnyCommand = std::variant<Fill, Elementwise, Gemm, Softmax, Reduce, Conv2d, Pool, Transpose,
                                Gather, Scatter, Resize>;

/// A command whose operands have no addresses yet.
struct CommandTemplate {
    AnyCommand command;  // without operands
    BufferRef dst;
    std::array<BufferRef, 3> src;  // in the order of the card's src0, src1, src2
    // Sources with exactly the layout of the result, whose memory the result may reuse.
    std::array<bool, 3> in_place{};
    bool copy = false;  // a copy: executed in place, it does nothing
    std::string node;
};

struct CommandPlan {
    std::vector<BufferSlot> slots;
    std::vector<CommandTemplate> commands;
    bool has_shape_weights = false;  // a slot has this kind
};

}  // namespace accel::compiler
