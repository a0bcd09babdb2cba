// SPDX-License-Identifier: Apache-2.0
#include "passes/weight_unpacking.hpp"

#include <ostream>

#include "passes/pass_utils.hpp"

namespace accel::compiler {

void unpack_weights(Program& program, std::ostream* log) {
    for (Instruction& x : program.instructions) {
        if (!std::holds_alternative<op::MatMul>(x.operation)) {
            continue;
        }
        for (ValueId& id : x.operands) {
            if (const auto unfolded = program.values[id].unfolded) {
                id = *unfolded;
                if (log != nullptr) {
                    *log << "  " << x.node << " unpacks its weights in each run\n";
                }
            }
        }
    }
    for (Value& value : program.values) {
        value.unfolded.reset();
    }
    remove_dead(program);
}

}  // namespace accel::compiler
