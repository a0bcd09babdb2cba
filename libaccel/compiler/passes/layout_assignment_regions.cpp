// SPDX-License-Identifier: Apache-2.0
//
// Layout assignment of loops and branches.
#include <algorithm>
#include <cstdlib>

#include "passes/layout_assignment_impl.hpp"

namespace accel::compiler {

namespace {

bool has_negative(const Dims& strides) {
    return std::ranges::any_of(strides, [](std::int64_t s) { return s < 0; });
}

}  // namespace

void LayoutAssignment::begin_region() {
    auto& kept = kept_.emplace_back();
    for (const auto& [key, view] : ordered_) {
        kept.insert(key);
    }
}

void LayoutAssignment::prepare_step_reads() {
    std::size_t depth = 1;
    for (std::size_t i = at_ + 1; depth != 0 && i < program_.instructions.size(); ++i) {
        const Instruction& x = program_.instructions[i];
        const bool begins = std::holds_alternative<op::LoopBegin>(x.operation) ||
                            std::holds_alternative<op::BranchBegin>(x.operation);
        depth += begins ? 1 : 0;
        depth -= std::holds_alternative<op::RegionEnd>(x.operation) ? 1 : 0;
        if (!std::holds_alternative<op::StepRead>(x.operation)) {
            continue;
        }
        const ValueId from = x.operands[0];
        const int producer = program_.values[from].producer;
        const bool before = producer < 0 || static_cast<std::size_t>(producer) < at_;
        if (before && has_negative(view_of(from).strides)) {
            static_cast<void>(dense(from));
        }
    }
}

bool LayoutAssignment::uses_pass(ValueId pass) const {
    return std::any_of(program_.instructions.begin() + static_cast<std::ptrdiff_t>(at_) + 1,
                       program_.instructions.end(), [&](const Instruction& x) {
                           const bool names_the_loop =
                               std::holds_alternative<op::StepRead>(x.operation) ||
                               std::holds_alternative<op::StepWrite>(x.operation) ||
                               std::holds_alternative<op::RegionEnd>(x.operation);
                           const auto end = x.operands.end() - (names_the_loop ? 1 : 0);
                           return std::find(x.operands.begin(), end, pass) != end;
                       });
}

void LayoutAssignment::lower(const op::LoopBegin& loop, const Instruction& instruction) {
    prepare_step_reads();
    BufferRefs src;
    std::size_t operand = 0;
    if (loop.counted) {
        const ValueId count = instruction.operands[operand++];
        src[0] = buffer_ref(view_of(count), type(count));
    }
    if (loop.conditional) {
        src[1] = buffer_ref(view_of(instruction.operands[operand]), DataType::boolean);
    }
    TensorView pass{-1, 0, {}};
    BufferRef index;
    if (uses_pass(instruction.result)) {
        pass = allocate_scratch(DataType::i64, {}, {});
        index = buffer_ref(pass, DataType::i64);
    }
    views_[instruction.result] = pass;
    begin_region();
    emit(Loop{.limit = loop.limit}, index, src);
}

void LayoutAssignment::lower(const op::BranchBegin& branch, const Instruction& instruction) {
    const BufferRef condition = buffer_ref(view_of(instruction.operands[0]), DataType::boolean);
    views_[instruction.result] = TensorView{-1, 0, {}};
    begin_region();
    emit(Skip{.if_nonzero = branch.otherwise}, {}, {condition});
}

void LayoutAssignment::lower(const op::RegionEnd&, const Instruction& instruction) {
    std::erase_if(ordered_, [&](const auto& entry) { return !kept_.back().contains(entry.first); });
    kept_.pop_back();
    views_[instruction.result] = TensorView{-1, 0, {}};
    emit(RegionEnd{}, {}, {});
}

void LayoutAssignment::lower(const op::Variable& variable, const Instruction& instruction) {
    const ValueId id = instruction.result;
    const TensorView to = allocate_scratch(type(id), dims(id), row_major(dims(id).size()));
    views_[id] = to;
    if (!variable.empty) {
        copy(view_of(instruction.operands[0]), to, dims(id), type(id));
    }
}

// Assignments that follow each other apply together.
void LayoutAssignment::stage_assignments() {
    std::vector<const Instruction*> group;
    for (std::size_t i = at_; i < program_.instructions.size(); ++i) {
        if (!std::holds_alternative<op::Assign>(program_.instructions[i].operation)) {
            break;
        }
        group.push_back(&program_.instructions[i]);
    }
    staged_.clear();
    for (const Instruction* const x : group) {
        const TensorView from = view_of(x->operands[1]);
        const ValueId id = x->operands[0];
        const bool overwritten = std::ranges::any_of(group, [&](const Instruction* const other) {
            const TensorView& to = view_of(other->operands[0]);
            const bool stays = other == x && from.offset == to.offset &&
                               same_strides(dims(id), from.strides, to.strides);
            return to.slot == from.slot && !stays;
        });
        if (overwritten) {
            staged_[x->operands[1]] =
                copy_to_scratch(from, dims(id), type(id), row_major(dims(id).size()));
        }
    }
}

void LayoutAssignment::lower(const op::Assign&, const Instruction& instruction) {
    const bool follows =
        at_ > 0 && std::holds_alternative<op::Assign>(program_.instructions[at_ - 1].operation);
    if (!follows) {
        stage_assignments();
    }
    const ValueId id = instruction.operands[0];
    const TensorView to = view_of(id);
    const auto staged = staged_.find(instruction.operands[1]);
    const TensorView from =
        staged != staged_.end() ? staged->second : view_of(instruction.operands[1]);
    views_[instruction.result] = to;
    if (from.slot == to.slot) {
        return;  // the value stays as it is
    }
    copy(from, to, dims(id), type(id));
    plan_.commands.back().assign = true;
}

TensorView LayoutAssignment::step_slice(const TensorView& of, const Dims& shape, DataType element,
                                        const Step& step) {
    TensorView slice{-1, 0, of.strides};
    slice.strides.erase(slice.strides.begin() + static_cast<std::ptrdiff_t>(step.axis));
    std::uint64_t last = 0;  // element of a slice
    for (std::size_t i = 0; i < shape.size(); ++i) {
        last += i == step.axis ? 0 : static_cast<std::uint64_t>((shape[i] - 1) * of.strides[i]);
    }
    const std::uint64_t bytes = (last + 1) * size_of(element);
    slice.slot = add_slot(
        {.kind = BufferSlot::Kind::slice, .bytes = bytes, .data = nullptr, .base = of.slot});
    emit(SetArgument{.bytes = bytes,
                     .count = static_cast<std::uint64_t>(shape[step.axis]),
                     .stride = static_cast<std::uint64_t>(of.strides[step.axis]) * size_of(element),
                     .reversed = step.reversed,
                     .access = step.access,
                     .by_pass = true},
         {slice.slot, 0}, {buffer_ref(of, element)});
    return slice;
}

void LayoutAssignment::lower(const op::StepRead& read, const Instruction& instruction) {
    const ValueId from = instruction.operands[0];
    const TensorView at = has_negative(view_of(from).strides) ? dense(from) : view_of(from);
    views_[instruction.result] =
        step_slice(at, dims(from), type(from),
                   {.axis = read.axis, .reversed = read.reversed, .access = Access::read});
}

void LayoutAssignment::lower(const op::StepWrite& write, const Instruction& instruction) {
    const ValueId to = instruction.operands[0];
    const ValueId from = instruction.operands[1];
    const TensorView at = view_of(to);
    views_[instruction.result] = at;
    const TensorView slice =
        step_slice(at, dims(to), type(to),
                   {.axis = write.axis, .reversed = write.reversed, .access = Access::write});
    copy(view_of(from), slice, dims(from), type(from));
}

}  // namespace accel::compiler
