// SPDX-License-Identifier: Apache-2.0
//
// The passes of the compiler and their order. They need no card.
#pragma once

#include <accel/model_info.hpp>

#include <functional>
#include <iosfwd>
#include <span>
#include <string_view>

#include "codegen/command_emitter.hpp"
#include "ir/command_plan.hpp"
#include "ir/placed_weights.hpp"
#include "ir/program.hpp"

namespace accel::compiler {

/// The state of a compilation. Each pass reads the results of earlier passes.
struct Compilation {
    Program program = {};     // import, fuse, lower-quantization
    CommandPlan plan = {};    // assign-layouts, plan-memory
    MemoryUse memory = {};    // plan-memory
    PlacedWeights* placed = nullptr;  // weights that the card has; null before the first upload
    GeneratedCode code = {};  // generate-commands
    std::ostream* log = nullptr;
};

struct Pass {
    std::string_view name;
    std::string_view description;  // follows the name in the log
    std::function<void(Compilation&)> function;
};

/// Writes the name and the description of a pass to the log, and runs the pass.
void run_pass(const Pass& pass, Compilation& compilation);

/// All passes after the import, in order.
[[nodiscard]] std::span<const Pass> passes();

}  // namespace accel::compiler
