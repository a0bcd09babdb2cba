// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_utils.hpp"

#include <utility>

#include "passes/regions.hpp"

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

namespace {

// Finds the instructions that an output depends on.
class Liveness {
  public:
    explicit Liveness(const Program& program)
        : p_(program),
          wanted_(program.values.size()),
          live_(program.instructions.size()),
          regions_(regions_of(program)),
          variable_(program.values.size()) {
        for (const Instruction& x : p_.instructions) {
            variable_[x.result] =
                assigns_variable(x.operation) ? variable_[x.operands[0]] : x.result;
            has_regions_ = has_regions_ || begins_region(x.operation);
        }
    }

    std::vector<bool> run() {
        for (const Port& port : p_.outputs) {
            want(port.value);
        }
        // What a pass of a loop assigns, instructions before it in the next pass may read.
        while (sweep() && has_regions_) {
        }
        return std::move(live_);
    }

  private:
    // The instructions that a later pass may use instead of a constant stay.
    void want(ValueId id) {
        const Value& value = p_.values[id];
        wanted_[id] = true;
        if (value.unfolded) {
            wanted_[*value.unfolded] = true;
        }
        if (value.constant && value.quant) {
            const auto unfolded = p_.values[value.quant->counterpart].unfolded;
            wanted_[unfolded.value_or(id)] = true;
        }
    }

    // A region is live if an instruction in it is; so are its begin and its end.
    [[nodiscard]] bool is_wanted(const Instruction& x) const {
        if (std::holds_alternative<op::RegionEnd>(x.operation)) {
            return wanted_[x.operands[0]];
        }
        return wanted_[x.result] || (assigns_variable(x.operation) && wanted_[variable_[x.result]]);
    }

    // False: nothing new is live.
    bool sweep() {
        bool changed = false;
        for (std::size_t i = p_.instructions.size(); i-- > 0;) {
            const Instruction& x = p_.instructions[i];
            if (live_[i] || !is_wanted(x)) {
                continue;
            }
            live_[i] = changed = true;
            for (const ValueId id : x.operands) {
                want(id);
            }
            if (regions_[i] >= 0) {
                want(p_.instructions[static_cast<std::size_t>(regions_[i])].result);
            }
        }
        return changed;
    }

    const Program& p_;
    std::vector<bool> wanted_;
    std::vector<bool> live_;
    std::vector<int> regions_;
    std::vector<ValueId> variable_;  // whose state a value is, or the value itself
    bool has_regions_ = false;
};

}  // namespace

void remove_dead(Program& program) {
    const std::vector<bool> live = Liveness(program).run();
    for (std::size_t i = 0; i < live.size(); ++i) {
        if (!live[i]) {
            program.instructions[i].operands.clear();
        }
    }
    remove_empty(program);
}

}  // namespace accel::compiler
