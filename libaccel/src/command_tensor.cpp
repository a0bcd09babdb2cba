// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of the commands on one axis, and of Transpose.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::f32_bytes;
using detail::OperandName;
using detail::throw_invalid;

void check_element_size(std::uint32_t bytes, OperandName name) {
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
        throw_invalid(name.text() + " is " + std::to_string(bytes) +
                      ": it must be 1, 2, 4 or 8 bytes");
    }
}

void check_index_type(DataType type, OperandName name) {
    if (type != DataType::i32 && type != DataType::i64) {
        throw_invalid(name.text() + " is not supported: it must be i32 or i64");
    }
}

accel_reduce reduce_params(std::uint8_t op, std::uint32_t outer, std::uint32_t n,
                           std::uint32_t inner) {
    accel_reduce params{};
    params.type = ACCEL_TYPE_F32;
    params.op = op;
    params.outer = outer;
    params.n = n;
    params.inner = inner;
    return params;
}

}  // namespace

Command::Command(const Softmax& softmax) {
    Encoder encoder(*this, "Softmax", ACCEL_OP_SOFTMAX);
    const std::uint64_t bytes = detail::dense_bytes(softmax.outer, softmax.n, softmax.inner,
                                                    f32_bytes, encoder.name("src"));
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", softmax.dst, bytes, Access::write, f32_bytes);
    raw.src0 = encoder.use("src", softmax.src, bytes, Access::read, f32_bytes);
    encoder.params(reduce_params(0, softmax.outer, softmax.n, softmax.inner));
    encoder.finish();
}

Command::Command(const Reduce& reduce) {
    Encoder encoder(*this, "Reduce", ACCEL_OP_REDUCE);
    if (reduce.n == 0) {
        throw_invalid("Reduce::n is zero: the axis must have at least one element");
    }
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use(
        "dst", reduce.dst,
        detail::dense_bytes(reduce.outer, 1, reduce.inner, f32_bytes, encoder.name("dst")),
        Access::write, f32_bytes);
    raw.src0 = encoder.use(
        "src", reduce.src,
        detail::dense_bytes(reduce.outer, reduce.n, reduce.inner, f32_bytes, encoder.name("src")),
        Access::read, f32_bytes);
    encoder.params(
        reduce_params(static_cast<std::uint8_t>(reduce.op), reduce.outer, reduce.n, reduce.inner));
    encoder.finish();
}

Command::Command(const Transpose& transpose) {
    Encoder encoder(*this, "Transpose", ACCEL_OP_TRANSPOSE);
    const Shape& shape = transpose.shape;
    const std::uint32_t element = transpose.element_size;
    if (shape.empty()) {
        throw_invalid("Transpose::shape has no dimensions: give it at least one");
    }
    check_element_size(element, encoder.name("element_size"));
    accel_transpose params{};
    params.size = static_cast<std::uint8_t>(element);
    params.rank = static_cast<std::uint8_t>(shape.rank());
    const detail::StridedLayout dst =
        detail::strided_layout(shape, transpose.dst_strides, element, encoder.name("dst"));
    std::copy(dst.strides.begin(), dst.strides.end(), params.dst_strides);
    // The elements that the strides reach below and above the first one.
    const OperandName src = encoder.name("src");
    std::uint64_t below = 0;
    std::uint64_t above = 1;
    for (std::size_t i = 0; i < shape.rank(); ++i) {
        params.dims[i] = detail::to_u32(shape[i], encoder.name("shape"));
        const std::int64_t stride = transpose.src_strides.at(i);
        params.src_strides[i] = static_cast<std::uint32_t>(stride);
        if (shape[i] != 0) {
            const std::uint64_t span =
                detail::product(shape[i] - 1, static_cast<std::uint64_t>(std::abs(stride)), src);
            std::uint64_t& side = stride < 0 ? below : above;
            side = detail::sum(side, span, src);
        }
    }
    if (below > transpose.src_offset) {
        throw_invalid("Transpose::src_strides reach below the start of src: src_offset is " +
                      std::to_string(transpose.src_offset) + " and must be at least " +
                      std::to_string(below));
    }
    const std::uint64_t last = detail::sum(transpose.src_offset, above, src);
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", transpose.dst, dst.bytes, Access::write, element);
    raw.src0 =
        encoder.use("src", transpose.src, dst.bytes == 0 ? 0 : detail::product(last, element, src),
                    Access::read, element) +
        transpose.src_offset * element;
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Gather& gather) {
    Encoder encoder(*this, "Gather", ACCEL_OP_GATHER);
    check_element_size(gather.element_size, encoder.name("element_size"));
    check_index_type(gather.index_type, encoder.name("index_type"));
    const std::uint32_t index = size_of(gather.index_type);
    accel_gather params{};
    params.size = static_cast<std::uint8_t>(gather.element_size);
    params.index_type = static_cast<std::uint8_t>(gather.index_type);
    params.flags = gather.elements ? ACCEL_GATHER_ELEMENTS : 0;
    params.outer = gather.outer;
    params.n = gather.n;
    params.count = gather.count;
    params.inner = gather.inner;
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", gather.dst,
                          detail::dense_bytes(gather.outer, gather.count, gather.inner,
                                              gather.element_size, encoder.name("dst")),
                          Access::write, gather.element_size);
    raw.src0 = encoder.use("src", gather.src,
                           detail::dense_bytes(gather.outer, gather.n, gather.inner,
                                               gather.element_size, encoder.name("src")),
                           Access::read, gather.element_size);
    raw.src1 = encoder.use(
        "indices", gather.indices,
        detail::dense_bytes(gather.elements ? gather.outer : 1, gather.count,
                            gather.elements ? gather.inner : 1, index, encoder.name("indices")),
        Access::read, index);
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Scatter& scatter) {
    Encoder encoder(*this, "Scatter", ACCEL_OP_SCATTER);
    check_index_type(scatter.index_type, encoder.name("index_type"));
    const bool wide = scatter.type == DataType::f64 || scatter.type == DataType::u64;
    if (wide && scatter.op != ScatterOp::set) {
        throw_invalid("Scatter::type is f64 or u64, which the card only moves: use ScatterOp::set");
    }
    const std::uint32_t index = size_of(scatter.index_type);
    const std::uint32_t element = size_of(scatter.type);
    accel_scatter params{};
    params.type = static_cast<std::uint8_t>(scatter.type);
    params.op = static_cast<std::uint8_t>(scatter.op);
    params.index_type = static_cast<std::uint8_t>(scatter.index_type);
    params.flags = scatter.elements ? ACCEL_SCATTER_ELEMENTS : 0;
    params.outer = scatter.outer;
    params.n = scatter.n;
    params.count = scatter.count;
    params.inner = scatter.inner;
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use(
        "dst", scatter.dst,
        detail::dense_bytes(scatter.outer, scatter.n, scatter.inner, element, encoder.name("dst")),
        Access::read_write, element);
    raw.src0 = encoder.use("src", scatter.src,
                           detail::dense_bytes(scatter.outer, scatter.count, scatter.inner, element,
                                               encoder.name("src")),
                           Access::read, element);
    raw.src1 = encoder.use(
        "indices", scatter.indices,
        detail::dense_bytes(scatter.elements ? scatter.outer : 1, scatter.count,
                            scatter.elements ? scatter.inner : 1, index, encoder.name("indices")),
        Access::read, index);
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Resize& resize) {
    Encoder encoder(*this, "Resize", ACCEL_OP_RESIZE);
    accel_resize params{};
    params.type = ACCEL_TYPE_F32;
    params.taps = resize.taps;
    params.outer = resize.outer;
    params.n = resize.n;
    params.count = resize.count;
    params.inner = resize.inner;
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", resize.dst,
                          detail::dense_bytes(resize.outer, resize.count, resize.inner, f32_bytes,
                                              encoder.name("dst")),
                          Access::write, f32_bytes);
    raw.src0 = encoder.use(
        "src", resize.src,
        detail::dense_bytes(resize.outer, resize.n, resize.inner, f32_bytes, encoder.name("src")),
        Access::read, f32_bytes);
    raw.src1 = encoder.use(
        "table", resize.table,
        detail::dense_bytes(resize.count, resize.taps, 1, sizeof(ResizeTap), encoder.name("table")),
        Access::read, f32_bytes);
    encoder.params(params);
    encoder.finish();
}

}  // namespace accel
