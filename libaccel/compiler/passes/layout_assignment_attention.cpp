// SPDX-License-Identifier: Apache-2.0
//
// Layout assignment of attentions: the card reads heads and rows in either order.
#include <algorithm>

#include "passes/layout_assignment_impl.hpp"

namespace accel::compiler {

// Dimensions that the operand lacks, or in which it has the length 1, repeat it.
LayoutAssignment::HeadsView LayoutAssignment::heads_view(ValueId id, const Dims& shape) {
    TensorView at = view_of(id);
    const auto fits = [&] {
        return (dims(id).back() == 1 || at.strides.back() == 1) &&
               std::ranges::all_of(at.strides,
                                   [](auto stride) { return stride >= 0 && stride <= UINT32_MAX; });
    };
    if (!fits()) {
        at = dense(id);
    }
    const Dims strides = broadcast_strides(id, at, shape);
    return {std::move(at), {to_u32(strides[0]), to_u32(strides[1]), to_u32(strides[2])}};
}

void LayoutAssignment::lower(const op::Attention& attention, const Instruction& instruction) {
    const std::vector<ValueId>& in = instruction.operands;
    const Dims q_dims = dims(in[0]);
    const Dims k_dims = dims(in[1]);
    const Dims v_dims = dims(in[2]);
    const HeadsView q = heads_view(in[0], q_dims);
    const HeadsView k = heads_view(in[1], k_dims);
    const HeadsView v = heads_view(in[2], v_dims);
    // Mostly the heads of a row become one row again.
    const bool rows_first = q_dims[1] > 1 && q_dims[2] > 1 && q.strides.head < q.strides.row;
    const TensorView to =
        allocate_result(instruction.result, rows_first ? DimOrder{0, 2, 1, 3} : row_major(4));
    views_[instruction.result] = to;
    Attention command{
        .batch = to_u32(q_dims[0]),
        .heads = to_u32(q_dims[1]),
        .key_heads = to_u32(k_dims[1]),
        .queries = to_u32(q_dims[2]),
        .keys = to_u32(k_dims[2]),
        .size = to_u32(q_dims[3]),
        .value_size = to_u32(v_dims[3]),
        .scale = attention.scale,
        .softcap = attention.softcap,
        .left = attention.left,
        .right = attention.right,
        .offset = attention.offset,
        .nan_without_keys = attention.nan_without_keys,
        .d_strides = {to_u32(to.strides[0]), to_u32(to.strides[1]), to_u32(to.strides[2])},
        .q_strides = q.strides,
        .k_strides = k.strides,
        .v_strides = v.strides,
        .d_type = type(instruction.result),
        .q_type = type(in[0]),
        .k_type = type(in[1]),
        .v_type = type(in[2])};
    BufferRefs src{buffer_ref(q.view, type(in[0])), buffer_ref(k.view, type(in[1])),
                   buffer_ref(v.view, type(in[2]))};
    std::size_t next = 3;
    if (attention.has_mask) {
        const ValueId id = in[next++];
        const HeadsView mask = heads_view(id, {q_dims[0], q_dims[1], q_dims[2], k_dims[2]});
        command.mask_strides = mask.strides;
        command.mask_type = type(id);
        src[3] = buffer_ref(mask.view, type(id));
    }
    const auto index = [&](bool has, BufferRef& ref) {
        if (has) {
            const ValueId id = in[next++];
            command.index_type = type(id);
            ref = buffer_ref(dense(id), type(id));
        }
    };
    index(attention.has_lengths, src[4]);
    index(attention.has_positions, src[5]);
    emit(command, buffer_ref(to, type(instruction.result)), src);
}

}  // namespace accel::compiler
