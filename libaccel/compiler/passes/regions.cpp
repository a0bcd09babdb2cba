// SPDX-License-Identifier: Apache-2.0
#include "passes/regions.hpp"

namespace accel::compiler {

bool begins_region(const Operation& operation) {
    return std::holds_alternative<op::LoopBegin>(operation) ||
           std::holds_alternative<op::BranchBegin>(operation);
}

bool assigns_variable(const Operation& operation) {
    return std::holds_alternative<op::Assign>(operation) ||
           std::holds_alternative<op::StepWrite>(operation);
}

std::vector<int> regions_of(const Program& program) {
    std::vector<int> regions;
    regions.reserve(program.instructions.size());
    std::vector<int> open{-1};
    for (const Instruction& x : program.instructions) {
        if (std::holds_alternative<op::RegionEnd>(x.operation) && open.size() > 1) {
            open.pop_back();
        }
        regions.push_back(open.back());
        if (begins_region(x.operation)) {
            open.push_back(static_cast<int>(regions.size()) - 1);
        }
    }
    return regions;
}

}  // namespace accel::compiler
