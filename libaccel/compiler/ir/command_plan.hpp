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
    // slice: a part of another slot that a SET_ARGUMENT chooses.
    enum class Kind : std::uint8_t { scratch, weights, input, output, slice };

    Kind kind = Kind::scratch;
    std::uint64_t bytes = 0;
    std::uint32_t index = 0;   // of an input or output
    Constant data;             // of weights
    std::uint64_t offset = 0;  // in the scratch memory or the weights, once planned
    int base = -1;             // of a slice: the slot that it is a part of
};

/// A location in a slot.
struct BufferRef {
    int slot = -1;  // -1: no operand
    std::uint64_t offset = 0;
};

/// The place behind the last command of a Loop or a Skip. It is no command of the card.
struct RegionEnd {};

/// The commands of a Loop or a Skip are those up to its RegionEnd. A Loop has its count and its
/// condition as sources, and its index as destination. A Skip has its condition as its source. A
/// SetArgument has the base as its source, and the slice as its destination.
using AnyCommand =
    std::variant<Fill, Elementwise, Gemm, Softmax, Reduce, Conv2d, Pool, Transpose, Gather, Scatter,
                 Resize, Attention, Loop, Skip, SetArgument, RegionEnd>;

/// Three for most commands; those of ATTENTION are queries, keys, values, mask, lengths, positions.
inline constexpr std::size_t max_sources = 6;
using BufferRefs = std::array<BufferRef, max_sources>;

[[nodiscard]] inline bool begins_region(const AnyCommand& command) {
    return std::holds_alternative<Loop>(command) || std::holds_alternative<Skip>(command);
}
[[nodiscard]] inline bool ends_region(const AnyCommand& command) {
    return std::holds_alternative<RegionEnd>(command);
}

/// A command whose operands have no addresses yet.
struct CommandTemplate {
    AnyCommand command;  // without operands
    BufferRef dst;
    BufferRefs src;  // in the order of the card's src0, src1, src2
    // Sources with exactly the layout of the result, whose memory the result may reuse.
    std::array<bool, max_sources> in_place{};
    bool copy = false;    // a copy: executed in place, it does nothing
    bool assign = false;  // a copy at the end of a body, to a value of the next pass
    std::string node;
};

struct CommandPlan {
    std::vector<BufferSlot> slots;
    std::vector<CommandTemplate> commands;
};

}  // namespace accel::compiler
