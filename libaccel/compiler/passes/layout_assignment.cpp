// SPDX-License-Identifier: Apache-2.0
//
// Layout assignment: slots, copies, and the instructions that change views, combine elements, or
// write parts of a larger tensor.
#include "passes/layout_assignment.hpp"

#include <algorithm>
#include <ostream>

#include "ir/constant_folding.hpp"
#include "passes/layout_assignment_impl.hpp"

namespace accel::compiler {

LayoutAssignment::LayoutAssignment(const Program& program)
    : program_(program), views_(program.values.size()) {
    for (const Instruction& instruction : program.instructions) {
        for (const ValueId id : instruction.operands) {
            const Constant& constant = program.values[id].constant;
            if (constant && constant->data.permuted() == nullptr) {
                direct_.insert(constant->data.identity());
            }
        }
    }
}

CommandPlan LayoutAssignment::run(std::ostream* log) {
    for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
        output_of_.try_emplace(program_.outputs[i].value, static_cast<std::uint32_t>(i));
    }
    for (at_ = 0; at_ < program_.instructions.size(); ++at_) {
        const Instruction& instruction = program_.instructions[at_];
        node_ = instruction.node;
        const std::size_t before = plan_.commands.size();
        in_context(
            instruction.node,
            [&] {
                if (elements(program_.values[instruction.result].dims) == 0) {
                    views_[instruction.result] =
                        allocate_result(instruction.result,
                                        row_major(program_.values[instruction.result].dims.size()));
                } else {
                    std::visit([&](const auto& operation) { lower(operation, instruction); },
                               instruction.operation);
                }
            },
            node_remedy);
        if (log != nullptr) {
            *log << "  " << instruction.node << ": " << to_string(instruction.operation) << " "
                 << compiler::to_string(program_.values[instruction.result].dims) << " strides "
                 << compiler::to_string(views_[instruction.result]->strides) << ", "
                 << plan_.commands.size() - before << " commands\n";
        }
    }
    for (std::size_t i = 0; i < program_.outputs.size(); ++i) {
        const Port& port = program_.outputs[i];
        node_ = "output " + port.name;
        const int producer = program_.values[port.value].producer;
        const std::string made_by =
            producer < 0 ? "" : program_.instructions[static_cast<std::size_t>(producer)].node;
        in_context(
            made_by.empty() ? node_ : made_by + " (output '" + port.name + "')",
            [&] { finish_output(port.value, static_cast<std::uint32_t>(i)); }, node_remedy);
    }
    return std::move(plan_);
}

int LayoutAssignment::add_slot(BufferSlot slot) {
    plan_.slots.push_back(std::move(slot));
    return static_cast<int>(plan_.slots.size()) - 1;
}

TensorView LayoutAssignment::allocate_scratch(DataType element, const Dims& shape,
                                              const DimOrder& order) {
    const auto bytes = static_cast<std::uint64_t>(elements(shape)) * size_of(element);
    return {add_slot({.kind = BufferSlot::Kind::scratch, .bytes = bytes, .data = nullptr}), 0,
            strides_for_order(shape, order)};
}

TensorView LayoutAssignment::allocate_result(ValueId id, const DimOrder& order) {
    const auto output = output_of_.find(id);
    const Dims strides = strides_for_order(dims(id), order);
    if (output == output_of_.end() || !same_strides(dims(id), strides, dense_strides(dims(id)))) {
        return allocate_scratch(type(id), dims(id), order);
    }
    written_outputs_[output->second] = true;
    return {output_slot(output->second), 0, strides};
}

int LayoutAssignment::output_slot(std::uint32_t index) {
    const ValueId id = program_.outputs[index].value;
    return add_slot({.kind = BufferSlot::Kind::output,
                     .bytes = static_cast<std::uint64_t>(elements(dims(id))) * size_of(type(id)),
                     .index = index,
                     .data = nullptr});
}

void LayoutAssignment::finish_output(ValueId id, std::uint32_t index) {
    if (written_outputs_[index] || elements(dims(id)) == 0) {
        return;
    }
    copy(view_of(id), {output_slot(index), 0, dense_strides(dims(id))}, dims(id), type(id));
}

int LayoutAssignment::weights_slot(Constant data) {
    const std::uint64_t bytes = data->data.size();
    return add_slot({.kind = BufferSlot::Kind::weights, .bytes = bytes, .data = std::move(data)});
}

// A permuted constant is a view of the other one if that is in the memory of the card anyway, such
// as the embedding of a language model, which is also the weights of its last product.
TensorView LayoutAssignment::constant_view(const Constant& constant) {
    const Permuted* const permuted = constant->data.permuted();
    if (permuted != nullptr && direct_.contains(permuted->from->data.identity())) {
        TensorView view{-1, 0, {}};
        Dims shape;
        const Dims strides = dense_strides(permuted->from->dims);
        for (const std::size_t axis : permuted->axes) {
            view.strides.push_back(strides[axis]);
            shape.push_back(permuted->from->dims[axis]);
        }
        if (shape == constant->dims) {
            view.slot = weights_slot(permuted->from);
            return view;
        }
    }
    return {weights_slot(constant), 0, dense_strides(constant->dims)};
}

const TensorView& LayoutAssignment::view_of(ValueId id) {
    std::optional<TensorView>& view = views_[id];
    if (!view) {
        const Value& value = program_.values[id];
        if (value.constant) {
            view = constant_view(value.constant);
        } else {
            const int slot = add_slot(
                {.kind = BufferSlot::Kind::input,
                 .bytes = static_cast<std::uint64_t>(elements(value.dims)) * size_of(value.type),
                 .index = static_cast<std::uint32_t>(value.input),
                 .data = nullptr});
            view = TensorView{slot, 0, dense_strides(value.dims)};
        }
    }
    return *view;
}

BufferRef LayoutAssignment::buffer_ref(const TensorView& at, DataType element) const {
    return {at.slot, static_cast<std::uint64_t>(at.offset) * size_of(element)};
}

void LayoutAssignment::emit(AnyCommand command, BufferRef dst, BufferRefs src,
                            CommandTraits traits) {
    plan_.commands.push_back(
        {std::move(command), dst, src, traits.in_place, traits.is_copy, traits.is_assign, node_});
}

void LayoutAssignment::copy(const TensorView& from, const TensorView& to, const Dims& shape,
                            DataType element) {
    const LoopNest loops =
        collapse_loops(shape, {to.strides, from.strides}, order_by_strides(to, shape));
    Transpose command{.element_size = size_of(element), .shape = to_shape(loops.dims)};
    command.dst_strides = to_shape(loops.strides[0]);
    for (std::size_t i = 0; i < loops.dims.size(); ++i) {
        const std::int64_t stride = loops.strides[1][i];
        if (stride > INT32_MAX || stride < INT32_MIN) {
            refuse("a stride of " + std::to_string(stride) +
                   " elements does not fit the card's signed 32-bit stride");
        }
        command.src_strides.at(i) = static_cast<std::int32_t>(stride);
    }
    command.src_offset = static_cast<std::uint64_t>(from.offset);
    const bool same = from.offset == to.offset && same_strides(shape, from.strides, to.strides);
    emit(command, buffer_ref(to, element), {BufferRef{from.slot, 0}},
         {.in_place = {same}, .is_copy = true});
}

TensorView LayoutAssignment::copy_to_scratch(const TensorView& from, const Dims& shape,
                                             DataType element, const DimOrder& order) {
    TensorView to = allocate_scratch(element, shape, order);
    copy(from, to, shape, element);
    return to;
}

TensorView LayoutAssignment::dense_in_order(ValueId id, const DimOrder& order) {
    const TensorView at = view_of(id);
    const Dims strides = strides_for_order(dims(id), order);
    if (same_strides(dims(id), at.strides, strides)) {
        return {at.slot, at.offset, strides};
    }
    auto& known = ordered_[{id, order}];
    if (!known) {
        const Constant& constant = program_.values[id].constant;
        known = constant ? TensorView{weights_slot(permuted_constant(constant, order)), 0, strides}
                         : copy_to_scratch(at, dims(id), type(id), order);
    }
    return *known;
}

const Constant& LayoutAssignment::permuted_constant(const Constant& constant,
                                                    const DimOrder& order) {
    auto& [kept, permuted] = permuted_[{constant->data.identity(), constant->dims, order}];
    if (!permuted) {
        Value result{.type = constant->type, .dims = {}, .constant = nullptr};
        for (const std::size_t axis : order) {
            result.dims.push_back(constant->dims[axis]);
        }
        kept = constant;
        permuted = fold_constant(op::Permute{order}, {constant}, result);
    }
    return permuted;
}

DimOrder LayoutAssignment::dense_order(ValueId id) {
    const TensorView& at = view_of(id);
    const DimOrder order = order_by_strides(at, dims(id));
    return same_strides(dims(id), at.strides, strides_for_order(dims(id), order))
               ? order
               : row_major(dims(id).size());
}

void LayoutAssignment::lower(const op::Permute& permute, const Instruction& instruction) {
    const TensorView from = view_of(instruction.operands[0]);
    TensorView to{from.slot, from.offset, {}};
    for (const std::size_t axis : permute.axes) {
        to.strides.push_back(from.strides[axis]);
    }
    views_[instruction.result] = std::move(to);
}

void LayoutAssignment::lower(const op::Slice& slice, const Instruction& instruction) {
    TensorView to = view_of(instruction.operands[0]);
    for (std::size_t i = 0; i < slice.start.size(); ++i) {
        to.offset += slice.start[i] * to.strides[i];
        to.strides[i] *= slice.step[i];
    }
    views_[instruction.result] = std::move(to);
}

void LayoutAssignment::lower(const op::Broadcast&, const Instruction& instruction) {
    const TensorView from = view_of(instruction.operands[0]);
    views_[instruction.result] =
        TensorView{from.slot, from.offset,
                   broadcast_strides(instruction.operands[0], from, dims(instruction.result))};
}

void LayoutAssignment::lower(const op::Reshape&, const Instruction& instruction) {
    const TensorView from = view_of(instruction.operands[0]);
    if (auto strides = reshape_strides(dims(instruction.operands[0]), from.strides,
                                       dims(instruction.result))) {
        views_[instruction.result] = TensorView{from.slot, from.offset, std::move(*strides)};
        return;
    }
    const TensorView at = dense(instruction.operands[0]);
    views_[instruction.result] =
        TensorView{at.slot, at.offset, dense_strides(dims(instruction.result))};
}

Dims LayoutAssignment::broadcast_strides(ValueId id, const TensorView& at,
                                         const Dims& shape) const {
    Dims strides(shape.size());
    const std::size_t shift = shape.size() - dims(id).size();
    for (std::size_t i = 0; i < dims(id).size(); ++i) {
        strides[i + shift] = dims(id)[i] == 1 ? 0 : at.strides[i];
    }
    return strides;
}

void LayoutAssignment::lower(const op::Elementwise& operation, const Instruction& instruction) {
    const Dims& shape = dims(instruction.result);
    DimOrder order = row_major(shape.size());
    for (const ValueId id : instruction.operands) {
        if (dims(id) == shape && !program_.values[id].constant) {
            order = order_by_strides(view_of(id), shape);
            break;
        }
    }
    std::vector<TensorView> sources;
    std::vector<Dims> strides{strides_for_order(shape, order)};
    for (const ValueId id : instruction.operands) {
        TensorView at = view_of(id);
        if (std::ranges::any_of(at.strides, [](auto s) { return s < 0; })) {
            at = dense(id);
        }
        strides.push_back(broadcast_strides(id, at, shape));
        sources.push_back(std::move(at));
    }
    const TensorView to = allocate_result(instruction.result, order);
    const LoopNest loops = collapse_loops(shape, strides, order);
    const DataType a = type(instruction.operands[0]);
    const DataType b = instruction.operands.size() > 1 ? type(instruction.operands[1]) : a;
    // Integers compute in i64, except in a plain conversion to float, which computes in f32.
    const bool integers = is_integer(a) && (operation.op != ElementwiseOp::identity ||
                                            operation.activation != UnaryOp::none ||
                                            is_integer(type(instruction.result)));
    Elementwise command{.op = operation.op,
                        .shape = to_shape(loops.dims),
                        .dst_strides = to_shape(loops.strides[0]),
                        .a_strides = to_shape(loops.strides[1]),
                        .activation = operation.activation,
                        .activation_alpha = operation.alpha,
                        .activation_beta = operation.beta,
                        .type = integers ? DataType::i64 : DataType::f32,
                        .dst_type = type(instruction.result),
                        .a_type = a,
                        .b_type = b};
    BufferRefs src{buffer_ref(sources[0], a)};
    std::array<bool, max_sources> in_place{};
    for (std::size_t i = 0; i < sources.size(); ++i) {
        src.at(i) = buffer_ref(sources[i], type(instruction.operands[i]));
        in_place.at(i) =
            sources[i].offset == 0 &&
            size_of(type(instruction.operands[i])) == size_of(type(instruction.result)) &&
            loops.strides[i + 1] == loops.strides[0];
    }
    if (sources.size() > 1) {
        command.b_strides = to_shape(loops.strides[2]);
    }
    if (sources.size() > 2) {
        command.c_strides = to_shape(loops.strides[3]);
        command.c_type = type(instruction.operands[2]);
    }
    views_[instruction.result] = to;
    emit(command, buffer_ref(to, type(instruction.result)), src, {.in_place = in_place});
}

void LayoutAssignment::lower(const op::Concat& concat, const Instruction& instruction) {
    const TensorView to = allocate_result(instruction.result, dense_order(instruction.operands[0]));
    views_[instruction.result] = to;
    TensorView part = to;
    for (const ValueId id : instruction.operands) {
        if (elements(dims(id)) != 0) {
            copy(view_of(id), part, dims(id), type(id));
        }
        part.offset += dims(id)[concat.axis] * to.strides[concat.axis];
    }
}

void LayoutAssignment::lower(const op::Pad& pad, const Instruction& instruction) {
    const TensorView to = allocate_result(instruction.result, dense_order(instruction.operands[0]));
    views_[instruction.result] = to;
    const DataType element = type(instruction.result);
    emit(Fill{.pattern = pad.value,
              .pattern_bytes = size_of(element),
              .bytes = static_cast<std::uint64_t>(elements(dims(instruction.result))) *
                       size_of(element)},
         buffer_ref(to, element), {});
    TensorView part = to;
    for (std::size_t i = 0; i < pad.before.size(); ++i) {
        part.offset += pad.before[i] * to.strides[i];
        part.strides[i] *= pad.step[i];
    }
    if (elements(dims(instruction.operands[0])) != 0) {
        copy(view_of(instruction.operands[0]), part, dims(instruction.operands[0]), element);
    }
}

CommandPlan assign_layouts(const Program& program, std::ostream* log) {
    return LayoutAssignment(program).run(log);
}

}  // namespace accel::compiler
