// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_utils.hpp"

namespace accel::compiler {

std::vector<int> count_uses(const Program& program) {
    std::vector<int> uses(program.values.size(), 0);
    for (const Instruction& x : program.instructions) {
        for (const ValueId id : x.operands) {
            ++uses[id];
        }
    }
    for (const Port& port : program.outputs) {
        ++uses[port.value];
    }
    return uses;
}

void remove_empty(Program& program) {
    std::erase_if(program.instructions, [](const Instruction& x) { return x.operands.empty(); });
    for (Value& value : program.values) {
        value.producer = -1;
    }
    for (std::size_t i = 0; i < program.instructions.size(); ++i) {
        program.values[program.instructions[i].result].producer = static_cast<int>(i);
    }
}

void remove_dead(Program& program) {
    std::vector<bool> wanted(program.values.size());
    // The instructions that a later pass may use instead of a constant stay.
    const auto want = [&](ValueId id) {
        const Value& value = program.values[id];
        wanted[id] = true;
        if (value.unfolded) {
            wanted[*value.unfolded] = true;
        }
        if (value.constant && value.quant) {
            const auto unfolded = program.values[value.quant->counterpart].unfolded;
            wanted[unfolded.value_or(id)] = true;
        }
    };
    for (const Port& port : program.outputs) {
        want(port.value);
    }
    for (std::size_t i = program.instructions.size(); i-- > 0;) {
        if (!wanted[program.instructions[i].result]) {
            program.instructions[i].operands.clear();
            continue;
        }
        for (const ValueId id : program.instructions[i].operands) {
            want(id);
        }
    }
    remove_empty(program);
}

}  // namespace accel::compiler
