// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_utils.hpp"

namespace accel::compiler {

std::vector<int> count_uses(const Program& program) {
    std::vector<int> uses(program.values.size(), 0);
    for (const Instruction& x : program.code) {
        for (const ValueId id : x.in) {
            ++uses[id];
        }
    }
    for (const Port& port : program.outputs) {
        ++uses[port.value];
    }
    return uses;
}

void remove_empty(Program& program) {
    std::erase_if(program.code, [](const Instruction& x) { return x.in.empty(); });
    for (Value& value : program.values) {
        value.producer = -1;
    }
    for (std::size_t i = 0; i < program.code.size(); ++i) {
        program.values[program.code[i].out].producer = static_cast<int>(i);
    }
}

void remove_dead(Program& program) {
    std::vector<bool> wanted(program.values.size());
    for (const Port& port : program.outputs) {
        wanted[port.value] = true;
    }
    for (std::size_t i = program.code.size(); i-- > 0;) {
        if (!wanted[program.code[i].out]) {
            program.code[i].in.clear();
            continue;
        }
        for (const ValueId id : program.code[i].in) {
            wanted[id] = true;
        }
    }
    remove_empty(program);
}

}  // namespace accel::compiler
