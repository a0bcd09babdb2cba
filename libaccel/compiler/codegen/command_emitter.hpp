// SPDX-License-Identifier: Apache-2.0
//
// Command generation: the last pass of the compiler.
#pragma once

#include <accel/command.hpp>
#include <accel/model_info.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ir/command_plan.hpp"

namespace accel::compiler {

/// Commands that run as one list. A model has one such part, unless it has more inputs and outputs
/// than a list has arguments.
struct ListPart {
    std::size_t commands = 0;
    std::vector<std::uint32_t> ports;  // inputs, and then outputs, of the model, by argument
};

/// Bytes of the weights.
struct WeightPiece {
    std::uint64_t offset = 0;
    TensorStorage data;
};

struct GeneratedCode {
    std::vector<Command> commands;
    std::vector<ModelCommand> names;  // of each command
    std::vector<ListPart> parts;      // of the commands, in their order
    std::vector<WeightPiece> weights;
    // The largest tensor in scratch memory, and the node that computes it.
    std::uint64_t largest_bytes = 0;
    std::string largest_node;
};

/// Encodes the commands of a plan whose slots have offsets. Operands become arguments of a command
/// list (see list_arguments.hpp). `inputs` and `outputs` are those of the model. Weights move from
/// the plan to the result.
[[nodiscard]] GeneratedCode generate_commands(CommandPlan& plan, std::size_t inputs,
                                              std::size_t outputs);

}  // namespace accel::compiler
