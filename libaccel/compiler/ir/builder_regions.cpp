// SPDX-License-Identifier: Apache-2.0
//
// Loops and branches of the builder: regions of instructions, and the variables that they assign.
#include <algorithm>
#include <utility>

#include "ir/builder.hpp"

namespace accel::compiler {

Builder::Mark Builder::mark() const {
    return {program_.instructions.size(), static_cast<ValueId>(program_.values.size()),
            occurrences_};
}

void Builder::roll_back(const Mark& mark) {
    program_.instructions.resize(mark.instructions);
    program_.values.resize(mark.values);
    occurrences_ = mark.occurrences;
    sequences_.erase(sequences_.lower_bound(mark.values), sequences_.end());
    empty_optionals_.erase(empty_optionals_.lower_bound(mark.values), empty_optionals_.end());
}

ValueId Builder::append(Operation operation, std::vector<ValueId> in, DataType type, Dims dims) {
    for (const ValueId id : in) {
        require_tensor(id, "an operand");
    }
    const auto id = static_cast<ValueId>(program_.values.size());
    program_.values.push_back({.type = type,
                               .dims = std::move(dims),
                               .constant = nullptr,
                               .producer = static_cast<int>(program_.instructions.size())});
    program_.instructions.push_back({std::move(operation), std::move(in), id, node_});
    return id;
}

ValueId Builder::variable(ValueId initial) {
    require_tensor(initial, "the initial value of a state");
    return append(op::Variable{}, {initial}, type(initial), dims(initial));
}

ValueId Builder::empty_variable(DataType type, Dims dims) {
    static_cast<void>(elements(dims));
    return append(op::Variable{.empty = true}, {scalar(DataType::boolean, 0)}, type,
                  std::move(dims));
}

ValueId Builder::assign(ValueId variable, ValueId next) {
    if (type(variable) != type(next) || dims(variable) != dims(next)) {
        refuse("a value that it carries from pass to pass is " +
               std::string(to_string(type(variable))) + to_string(dims(variable)) +
               " before a pass and " + std::string(to_string(type(next))) + to_string(dims(next)) +
               " after it");
    }
    return append(op::Assign{}, {variable, next}, type(variable), dims(variable));
}

Builder::OpenLoop Builder::begin_loop() {
    const std::size_t at = program_.instructions.size();
    return {at, append(op::LoopBegin{}, {scalar(DataType::boolean, 0)}, DataType::i64, {})};
}

void Builder::end_loop(const OpenLoop& loop, const LoopBounds& bounds) {
    Instruction& begin = program_.instructions[loop.instruction];
    std::vector<ValueId> operands;
    if (bounds.count) {
        operands.push_back(*bounds.count);
    }
    if (bounds.condition) {
        operands.push_back(*bounds.condition);
    }
    operands.push_back(begin.operands.back());
    begin.operands = std::move(operands);
    begin.operation = op::LoopBegin{.limit = bounds.limit,
                                    .counted = bounds.count.has_value(),
                                    .conditional = bounds.condition.has_value()};
    end_region(loop.pass);
}

ValueId Builder::begin_branch(ValueId condition, bool otherwise) {
    return append(op::BranchBegin{.otherwise = otherwise}, {condition}, DataType::boolean, {});
}

void Builder::end_region(ValueId begin) {
    static_cast<void>(append(op::RegionEnd{}, {begin}, DataType::boolean, {}));
}

ValueId Builder::step_read(ValueId x, ValueId pass, std::size_t axis, bool reversed) {
    static_cast<void>(length(x, axis));
    Dims shape = dims(x);
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    return append(op::StepRead{.axis = axis, .reversed = reversed}, {x, pass}, type(x),
                  std::move(shape));
}

ValueId Builder::step_write(ValueId variable, ValueId slice, ValueId pass, std::size_t axis,
                            bool reversed) {
    return append(op::StepWrite{.axis = axis, .reversed = reversed}, {variable, slice, pass},
                  type(variable), dims(variable));
}

bool Builder::reads_run_values(const Mark& since) const {
    // Values from before the region that are not known, other than the states of the loop.
    const auto unknown = [&](ValueId id) { return id < since.values && !value(id).constant; };
    return std::any_of(
        program_.instructions.begin() + static_cast<std::ptrdiff_t>(since.instructions),
        program_.instructions.end(),
        [&](const Instruction& x) { return std::ranges::any_of(x.operands, unknown); });
}

}  // namespace accel::compiler
