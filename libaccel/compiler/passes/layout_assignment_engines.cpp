// SPDX-License-Identifier: Apache-2.0
//
// Layout assignment of instructions along an axis, products and images.
#include <algorithm>

#include "passes/layout_assignment_impl.hpp"

namespace accel::compiler {

namespace {

const DimOrder channels_last{0, 2, 3, 1};

// GEMM iterates over one batch dimension. A product with more of them becomes several commands, and
// at most this many.
constexpr std::int64_t max_gemm_commands = 4096;

}  // namespace

LayoutAssignment::AxisLoops LayoutAssignment::axis_loops(ValueId id, std::size_t axis) {
    AxisLoops result{.order = dense_order(id), .outer = 1, .n = 1, .inner = 1};
    const Dims& shape = dims(id);
    const auto at = std::ranges::find(result.order, axis);
    std::int64_t outer = 1;
    std::int64_t inner = 1;
    for (auto d = result.order.begin(); d != result.order.end(); ++d) {
        (d < at ? outer : inner) *= d == at ? 1 : shape[*d];
    }
    result.outer = to_u32(outer);
    result.n = to_u32(shape[axis]);
    result.inner = to_u32(inner);
    return result;
}

void LayoutAssignment::require_f32(ValueId id) const {
    if (type(id) != DataType::f32) {
        refuse("its operand is " + std::string(compiler::to_string(type(id))) +
                   ", and the card supports this operation in f32 only",
               "cast the operand to f32");
    }
}

LayoutAssignment::AxisOperands LayoutAssignment::axis_operands(const Instruction& instruction,
                                                               std::size_t axis) {
    require_f32(instruction.operands[0]);
    const AxisLoops loops = axis_loops(instruction.operands[0], axis);
    TensorView from = dense_in_order(instruction.operands[0], loops.order);
    TensorView to = allocate_result(instruction.result, loops.order);
    views_[instruction.result] = to;
    return {loops, std::move(from), std::move(to)};
}

void LayoutAssignment::lower(const op::Reduce& reduce, const Instruction& instruction) {
    const auto [loops, from, to] = axis_operands(instruction, reduce.axis);
    emit(Reduce{.op = reduce.op, .outer = loops.outer, .n = loops.n, .inner = loops.inner},
         buffer_ref(to, DataType::f32), {buffer_ref(from, DataType::f32)});
}

void LayoutAssignment::lower(const op::Softmax& softmax, const Instruction& instruction) {
    const auto [loops, from, to] = axis_operands(instruction, softmax.axis);
    emit(Softmax{.outer = loops.outer, .n = loops.n, .inner = loops.inner},
         buffer_ref(to, DataType::f32), {buffer_ref(from, DataType::f32)},
         {.in_place = {from.offset == 0}});
}

void LayoutAssignment::lower(const op::Resize& resize, const Instruction& instruction) {
    const auto [loops, from, to] = axis_operands(instruction, resize.axis);
    const TensorView table = view_of(instruction.operands[1]);
    emit(Resize{.taps = resize.taps,
                .outer = loops.outer,
                .n = loops.n,
                .count = to_u32(dims(instruction.result)[resize.axis]),
                .inner = loops.inner},
         buffer_ref(to, DataType::f32),
         {buffer_ref(from, DataType::f32), buffer_ref(table, DataType::f32)});
}

void LayoutAssignment::lower(const op::Gather& gather, const Instruction& instruction) {
    const ValueId data = instruction.operands[0];
    const ValueId indices = instruction.operands[1];
    const bool same_rank = !gather.elements && dims(indices).size() == 1;
    AxisLoops a = axis_loops(data, gather.axis);
    if (!same_rank) {
        a.order = row_major(dims(data).size());
        const auto at = dims(data).begin() + static_cast<std::ptrdiff_t>(gather.axis);
        a.outer = to_u32(elements(Dims(dims(data).begin(), at)));
        a.inner = to_u32(elements(Dims(at + 1, dims(data).end())));
    }
    const TensorView from = dense_in_order(data, a.order);
    const TensorView index = dense(indices);
    const TensorView to = allocate_result(
        instruction.result, same_rank ? a.order : row_major(dims(instruction.result).size()));
    views_[instruction.result] = to;
    emit(Gather{.index_type = type(indices),
                .elements = gather.elements,
                .element_size = size_of(type(data)),
                .outer = a.outer,
                .n = a.n,
                .count = gather.elements ? to_u32(dims(indices)[gather.axis])
                                         : to_u32(elements(dims(indices))),
                .inner = a.inner},
         buffer_ref(to, type(data)),
         {buffer_ref(from, type(data)), buffer_ref(index, type(indices))});
}

// The result begins as a copy of the data; memory planning drops the copy of data that no later
// instruction reads.
void LayoutAssignment::lower(const op::Scatter& scatter, const Instruction& instruction) {
    const ValueId data = instruction.operands[0];
    const ValueId indices = instruction.operands[1];
    const ValueId updates = instruction.operands[2];
    const AxisLoops loops = axis_loops(data, scatter.axis);
    const TensorView from = dense_in_order(updates, loops.order);
    const TensorView index =
        scatter.elements ? dense_in_order(indices, loops.order) : dense(indices);
    const TensorView to = allocate_result(instruction.result, loops.order);
    views_[instruction.result] = to;
    copy(view_of(data), to, dims(data), type(data));
    emit(Scatter{.op = scatter.op,
                 .type = type(data),
                 .index_type = type(indices),
                 .elements = scatter.elements,
                 .outer = loops.outer,
                 .n = loops.n,
                 .count = to_u32(dims(updates)[scatter.axis]),
                 .inner = loops.inner},
         buffer_ref(to, type(data)),
         {buffer_ref(from, type(data)), buffer_ref(index, type(indices))});
}

LayoutAssignment::BatchedGemm LayoutAssignment::batched_gemm(const op::MatMul& product,
                                                             const Instruction& instruction,
                                                             const MatrixView& a,
                                                             const MatrixView& b,
                                                             const TensorView& to) const {
    const Dims& shape = dims(instruction.result);
    const Dims& a_dims = dims(instruction.operands[0]);
    const auto batch = static_cast<std::ptrdiff_t>(shape.size()) - 2;
    const std::int64_t m = a_dims[a_dims.size() - 2];
    const std::int64_t k = a_dims.back();
    const std::int64_t n = shape.back();
    const Dims outer(shape.begin(), shape.begin() + batch);
    const Dims to_batch(to.strides.begin(), to.strides.begin() + batch);
    LoopNest loops = collapse_loops(outer, {to_batch, a.batch, b.batch},
                                    row_major(static_cast<std::size_t>(batch)));
    Gemm command{.m = to_u32(m),
                 .n = to_u32(n),
                 .k = to_u32(k),
                 .activation = product.epilogue.activation,
                 .transpose_a = a.transposed,
                 .transpose_b = b.transposed,
                 .lda = to_u32(a.leading),
                 .ldb = to_u32(b.leading),
                 .ldd = to_u32(n),
                 .activation_alpha = product.epilogue.alpha,
                 .activation_beta = product.epilogue.beta,
                 .format = product.format};
    // If all matrices of a batch share one b, their rows are the rows of one larger a.
    if (loops.dims.size() == 1 && loops.strides[2][0] == 0 && !a.transposed &&
        loops.strides[1][0] == m * a.leading && loops.strides[0][0] == m * n) {
        command.m = to_u32(m * loops.dims[0]);
        loops = {{1}, {{1}, {1}, {1}}};
    }
    // The card iterates over the innermost batch dimension.
    command.batch = to_u32(loops.dims.back());
    if (command.batch > 1) {
        command.batch_stride_d = to_u32(loops.strides[0].back());
        command.batch_stride_a = to_u32(loops.strides[1].back());
        command.batch_stride_b = to_u32(loops.strides[2].back());
    }
    loops.dims.pop_back();
    return {command, std::move(loops)};
}

void LayoutAssignment::lower(const op::MatMul& product, const Instruction& instruction) {
    const Dims& shape = dims(instruction.result);
    const MatrixView a = matrix_view(instruction.operands[0], shape);
    const MatrixView b = matrix_view(instruction.operands[1], shape);
    const TensorView to = allocate_result(instruction.result, row_major(shape.size()));
    views_[instruction.result] = to;
    const auto [command, loops] = batched_gemm(product, instruction, a, b, to);
    BufferRef bias;
    if (instruction.operands.size() > 2) {
        bias = buffer_ref(dense(instruction.operands[2]), type(instruction.operands[2]));
    }
    const std::int64_t commands = elements(loops.dims);
    if (commands > max_gemm_commands) {
        refuse("its batch dimensions cannot be merged: it would need " + std::to_string(commands) +
               " commands, and the limit is " + std::to_string(max_gemm_commands));
    }
    Dims at(loops.dims.size());
    for (std::int64_t i = 0; i < commands; ++i) {
        std::array<std::int64_t, 3> offset{};
        for (std::size_t d = 0; d < at.size(); ++d) {
            for (std::size_t o = 0; o < 3; ++o) {
                offset.at(o) += at[d] * loops.strides[o][d];
            }
        }
        emit(command, offset_ref(to, offset[0], type(instruction.result)),
             {offset_ref(a.view, offset[1], type(instruction.operands[0])),
              offset_ref(b.view, offset[2], type(instruction.operands[1])), bias});
        for (std::size_t d = at.size(); d-- > 0;) {
            if (++at[d] < loops.dims[d]) {
                break;
            }
            at[d] = 0;
        }
    }
}

BufferRef LayoutAssignment::offset_ref(TensorView at, std::int64_t by, DataType element) const {
    at.offset += by;
    return buffer_ref(at, element);
}

LayoutAssignment::MatrixView LayoutAssignment::matrix_view(ValueId id, const Dims& shape) {
    const Dims& d = dims(id);
    const std::int64_t rows = d[d.size() - 2];
    const std::int64_t columns = d.back();
    TensorView at = view_of(id);
    const auto fits = [](std::int64_t across, std::int64_t along, std::int64_t count,
                         std::int64_t length) {
        return (along == 1 || length == 1) && (across >= length || count == 1);
    };
    const std::size_t r = d.size() - 2;
    const bool positive = std::ranges::all_of(at.strides, [](auto s) { return s >= 0; });
    bool plain = positive && fits(at.strides[r], at.strides[r + 1], rows, columns);
    const bool turned = positive && fits(at.strides[r + 1], at.strides[r], columns, rows);
    if (!plain && !turned) {
        at = dense(id);
        plain = true;
    }
    MatrixView result{.view = at, .batch = {}, .leading = 0, .transposed = !plain};
    const std::int64_t across = plain ? at.strides[r] : at.strides[r + 1];
    const std::int64_t length = plain ? columns : rows;
    result.leading = (plain ? rows : columns) == 1 ? length : across;
    result.leading = std::max(result.leading, length);
    // The strides of the batch of the result; zero where this operand repeats.
    const std::size_t batch = shape.size() - 2;
    const std::size_t own = d.size() - 2;
    result.batch.assign(batch, 0);
    for (std::size_t i = 0; i < own; ++i) {
        result.batch[batch - own + i] = d[i] == 1 ? 0 : at.strides[i];
    }
    return result;
}

LayoutAssignment::ImageView LayoutAssignment::image_view(ValueId id) {
    const Dims& d = dims(id);
    TensorView at = view_of(id);
    const auto stride = [&](std::size_t i, std::int64_t otherwise) {
        return d[i] == 1 ? otherwise : at.strides[i];
    };
    const auto supported_layout = [&] {
        const std::int64_t pixel = stride(3, d[1]);
        const std::int64_t row = stride(2, pixel * d[3]);
        const std::int64_t whole = stride(0, row * d[2]);
        const bool fits = stride(1, 1) == 1 && pixel >= d[1] && row > 0 && whole > 0 &&
                          pixel <= UINT32_MAX && row <= UINT32_MAX && whole <= UINT32_MAX;
        return fits ? std::optional(ImageLayout{.height = to_u32(d[2]),
                                                .width = to_u32(d[3]),
                                                .channels = to_u32(d[1]),
                                                .pixel_stride = to_u32(pixel),
                                                .row_stride = to_u32(row),
                                                .image_stride = to_u32(whole)})
                    : std::nullopt;
    };
    auto layout = supported_layout();
    if (!layout) {
        at = dense_in_order(id, channels_last);
        layout = supported_layout();
    }
    if (!layout) {
        refuse("images of the shape " + compiler::to_string(d) +
               " are too large: a stride is out of the range of the card, which is 32 bits");
    }
    return {std::move(at), *layout};
}

LayoutAssignment::ImageView LayoutAssignment::allocate_image(ValueId id) {
    const TensorView to = allocate_result(id, channels_last);
    views_[id] = to;
    const Dims& d = dims(id);
    return {to,
            {.height = to_u32(d[2]),
             .width = to_u32(d[3]),
             .channels = to_u32(d[1]),
             .pixel_stride = to_u32(d[1]),
             .row_stride = to_u32(d[1] * d[3]),
             .image_stride = to_u32(d[1] * d[3] * d[2])}};
}

void LayoutAssignment::lower(const op::Conv& conv, const Instruction& instruction) {
    const ImageView from = image_view(instruction.operands[0]);
    const TensorView w = dense_in_order(instruction.operands[1], {2, 3, 1, 0});
    BufferRef bias;
    if (instruction.operands.size() > 2) {
        bias = buffer_ref(dense(instruction.operands[2]), type(instruction.operands[2]));
    }
    const ImageView to = allocate_image(instruction.result);
    if (instruction.operands.size() > 3) {
        copy(view_of(instruction.operands[3]), to.view, dims(instruction.result),
             type(instruction.result));
    }
    emit(Conv2d{.batch = to_u32(dims(instruction.result)[0]),
                .groups = conv.groups,
                .src_layout = from.layout,
                .dst_layout = to.layout,
                .window = conv.window,
                .activation = conv.epilogue.activation,
                .activation_alpha = conv.epilogue.alpha,
                .activation_beta = conv.epilogue.beta,
                .format = conv.format},
         buffer_ref(to.view, type(instruction.result)),
         {buffer_ref(from.view, type(instruction.operands[0])),
          buffer_ref(w, type(instruction.operands[1])), bias});
}

void LayoutAssignment::lower(const op::Pool& pool, const Instruction& instruction) {
    require_f32(instruction.operands[0]);
    const ImageView from = image_view(instruction.operands[0]);
    const ImageView to = allocate_image(instruction.result);
    emit(Pool{.op = pool.op,
              .batch = to_u32(dims(instruction.result)[0]),
              .src_layout = from.layout,
              .dst_layout = to.layout,
              .window = pool.window,
              .count_include_pad = pool.count_include_pad},
         buffer_ref(to.view, DataType::f32), {buffer_ref(from.view, DataType::f32)});
}

}  // namespace accel::compiler
