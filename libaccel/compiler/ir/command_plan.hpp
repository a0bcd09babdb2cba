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
    enum class Kind : std::uint8_t { scratch, weights, input, output };

    Kind kind = Kind::scratch;
    std::uint64_t bytes = 0;
    std::uint32_t index = 0;   // of an input or output
    Constant data;             // of weights
    std::uint64_t offset = 0;  // in the scratch memory or the weights, once planned
};

/// A location in a slot.
struct BufferRef {
    int slot = -1;  // -1: no operand
    std::uint64_t offset = 0;
};

using AnyCommand = std::variant<Fill, Elementwise, Gemm, Softmax, Reduce, Conv2d, Pool, Transpose,
                                Gather, Scatter, Resize, Attention>;

/// Three for most commands; those of ATTENTION are queries, keys, values, mask, lengths, positions.
inline constexpr std::size_t max_sources = 6;
using BufferRefs = std::array<BufferRef, max_sources>;

/// A command whose operands have no addresses yet.
struct CommandTemplate {
    AnyCommand command;  // without operands
    BufferRef dst;
    BufferRefs src;  // in the order of the card's src0, src1, src2
    // Sources with exactly the layout of the result, whose memory the result may reuse.
    std::array<bool, max_sources> in_place{};
    bool copy = false;  // a copy: executed in place, it does nothing
    std::string node;
};

struct CommandPlan {
    std::vector<BufferSlot> slots;
    std::vector<CommandTemplate> commands;
};

}  // namespace accel::compiler
