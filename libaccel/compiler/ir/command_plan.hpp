// SPDX-License-Identifier: Apache-2.0
//
// A model after layout: commands of the card, and the stores they work in.
#pragma once

#include <accel/command.hpp>

#include <array>
#include <string>
#include <variant>
#include <vector>

#include "ir/tensor.hpp"

namespace accel::compiler {

/// Memory that a value has, or several in turns.
struct Store {
    enum class Kind : std::uint8_t { scratch, weights, input, output };

    Kind kind = Kind::scratch;
    std::uint64_t bytes = 0;
    std::uint32_t index = 0;   // of an input or output
    Constant data;             // of weights
    std::uint64_t offset = 0;  // in the scratch or the weights, once planned
};

/// A place in a store.
struct Ref {
    int store = -1;  // none
    std::uint64_t offset = 0;
};

using AnyCommand =
    std::variant<Fill, Elementwise, Gemm, Softmax, Reduce, Conv2d, Pool, Transpose, Gather, Resize>;

struct Step {
    AnyCommand command;  // without operands
    Ref dst;
    std::array<Ref, 3> src;  // in the order of the card's src0, src1, src2
    // Sources that lie exactly as the result does: it may take their place.
    std::array<bool, 3> in_place{};
    bool copy = false;  // with in_place: nothing is left to do then
    std::string node;
};

struct Steps {
    std::vector<Store> stores;
    std::vector<Step> list;
};

}  // namespace accel::compiler
