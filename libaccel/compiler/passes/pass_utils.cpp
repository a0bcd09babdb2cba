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
    for (const Port& port : program.outputs) {
        wanted[port.value] = true;
    }
    for (std::size_t i = program.instructions.size(); i-- > 0;) {
        if (!wanted[program.instructions[i].result]) {
            program.instructions[i].operands.clear();
            continue;
        }
        for (const ValueId id : program.instructions[i].operands) {
            wanted[id] = true;
        }
    }
    remove_empty(program);
}

}  // namespace accel::compiler
