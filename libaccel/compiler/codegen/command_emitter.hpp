// SPDX-License-Identifier: Apache-2.0
//
// Command generation: the last pass of the compiler.
#pragma once

#include <accel/command.hpp>
#include <accel/model_info.hpp>

#include <cstddef>
#include <vector>

#include "ir/command_plan.hpp"

namespace accel::compiler {

struct GeneratedCode {
    std::vector<Command> commands;
    std::vector<ModelCommand> names;  // of each command
    std::vector<std::byte> weights;
};

/// Encodes the commands of a plan whose slots have offsets. Operands become arguments of the
/// command list (see list_arguments.hpp). `inputs` is the number of inputs of the model, and
/// `weight_bytes` the size of its weights.
[[nodiscard]] GeneratedCode generate_commands(const CommandPlan& plan, std::size_t inputs,
                                              std::uint64_t weight_bytes);

}  // namespace accel::compiler
