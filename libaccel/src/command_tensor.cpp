// SPDX-License-Identifier: Apache-2.0
//
// Checking and encoding commands on matrices and tensors.
#include <algorithm>
#include <array>
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::f32_bytes;
using detail::Name;
using detail::throw_invalid;

// Bytes of a matrix as it is stored.
std::uint64_t matrix(std::uint64_t rows, std::uint64_t columns, std::uint64_t leading,
                     std::uint64_t element, Name name) {
    if (leading < columns) {
        throw_invalid(name.text() + " has rows of " + std::to_string(columns) +
                      " elements that are only " + std::to_string(leading) + " apart");
    }
    return extent(rows, leading * element, columns * element, name);
}

void check_element(std::uint32_t bytes, Name name) {
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) {
        throw_invalid(name.text() + " is 1, 2, 4 or 8 bytes");
    }
}

struct Strided {
    std::uint64_t bytes = 0;
    std::array<std::uint32_t, ACCEL_RANK_MAX> strides{};
};

// Strides of an element-wise operand, dense if none are given, and the bytes they reach over.
Strided strided(const Shape& shape, const Shape& given, std::uint32_t element, Name name) {
    if (!given.empty() && given.rank() != shape.rank()) {
        throw_invalid(name.text() + " has " + std::to_string(given.rank()) + " strides for " +
                      std::to_string(shape.rank()) + " dimensions");
    }
    Strided result;
    const bool nothing = std::find(shape.begin(), shape.end(), 0) != shape.end();
    std::uint64_t last = 0;
    std::uint64_t dense = 1;
    for (std::size_t i = shape.rank(); i-- > 0;) {
        const std::uint64_t stride = given.empty() ? dense : given[i];
        result.strides.at(i) = to_u32(stride, name);
        if (!nothing) {
            last = sum(last, product(shape[i] - 1, stride, name), name);
            dense = product(dense, shape[i], name);
        }
    }
    result.bytes = nothing ? 0 : product(sum(last, 1, name), element, name);
    return result;
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

Command::Command(const Gemm& gemm) {
    Encoder encoder(*this, "Gemm", ACCEL_OP_GEMM);
    const std::uint32_t a_columns = gemm.transpose_a ? gemm.m : gemm.k;
    const std::uint32_t b_columns = gemm.transpose_b ? gemm.k : gemm.n;
    accel_gemm params{};
    params.type = static_cast<std::uint8_t>(gemm.format.a);
    params.format = detail::to_raw(gemm.format, encoder.name("format"));
    detail::set_activation(params, gemm.activation, gemm.alpha, gemm.beta, "Gemm");
    params.flags = static_cast<std::uint16_t>((gemm.format.requantize ? ACCEL_GEMM_REQUANTIZE
                                               : gemm.bias            ? ACCEL_GEMM_BIAS
                                                                      : 0) |
                                              (gemm.format.accumulate ? ACCEL_GEMM_ACCUMULATE : 0) |
                                              (gemm.transpose_a ? ACCEL_GEMM_TRANSPOSE_A : 0) |
                                              (gemm.transpose_b ? ACCEL_GEMM_TRANSPOSE_B : 0));
    params.m = gemm.m;
    params.n = gemm.n;
    params.k = gemm.k;
    params.lda = gemm.lda != 0 ? gemm.lda : a_columns;
    params.ldb = gemm.ldb != 0 ? gemm.ldb : b_columns;
    params.ldd = gemm.ldd != 0 ? gemm.ldd : gemm.n;

    params.batch = gemm.batch;
    params.batch_a = gemm.batch_a;
    params.batch_b = gemm.batch_b;
    params.batch_d = gemm.batch_d;
    if (gemm.batch == 0) {
        throw_invalid("Gemm::batch is zero: there is nothing to multiply");
    }

    accel_tensor& raw = encoder.raw().tensor;
    const auto stored = [&](const char* field, const Operand& operand, std::uint32_t rows,
                            std::uint32_t columns, std::uint32_t leading, std::uint32_t step,
                            DataType type, Access access) {
        const std::uint32_t element = size_of(type);
        const Name name = encoder.name(field);
        const std::uint64_t one = matrix(rows, columns, leading, element, name);
        const std::uint64_t all =
            detail::extent(gemm.batch, std::uint64_t{step} * element, one, name);
        return encoder.use(field, operand, all, access, element);
    };
    raw.dst = stored("d", gemm.d, gemm.m, gemm.n, params.ldd, gemm.batch_d, gemm.format.result,
                     gemm.format.accumulate ? Access::read_write : Access::write);
    raw.src0 = stored("a", gemm.a, gemm.transpose_a ? gemm.k : gemm.m, a_columns, params.lda,
                      gemm.batch_a, gemm.format.a, Access::read);
    raw.src1 = stored("b", gemm.b, gemm.transpose_b ? gemm.n : gemm.k, b_columns, params.ldb,
                      gemm.batch_b, gemm.format.b, Access::read);
    if (gemm.bias || gemm.format.requantize) {
        raw.src2 = encoder.use("bias", gemm.bias,
                               std::uint64_t{gemm.n} * detail::channel_bytes(gemm.format),
                               Access::read, f32_bytes);
    }
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Elementwise& elementwise) {
    Encoder encoder(*this, "Elementwise", ACCEL_OP_ELEMENTWISE);
    const Shape& shape = elementwise.shape;
    if (shape.empty()) {
        throw_invalid("Elementwise::shape has no dimensions");
    }
    accel_elementwise params{};
    params.type = static_cast<std::uint8_t>(elementwise.type);
    if (elementwise.type != DataType::f32 && elementwise.type != DataType::i64) {
        throw_invalid("Elementwise::type is f32 or i64: operands of others are converted");
    }
    detail::set_activation(params, elementwise.activation, elementwise.alpha, elementwise.beta,
                           "Elementwise");
    params.op = static_cast<std::uint8_t>(elementwise.op);
    params.rank = static_cast<std::uint8_t>(shape.rank());
    for (std::size_t i = 0; i < shape.rank(); ++i) {
        params.dims[i] = detail::to_u32(shape[i], encoder.name("shape"));
    }
    const auto operand = [&](const char* field, const Operand& where, const Shape& strides,
                             __le32* out, DataType type, std::uint8_t& raw_type, Access access) {
        const Strided layout = strided(shape, strides, size_of(type), encoder.name(field));
        raw_type = static_cast<std::uint8_t>(type);
        std::copy(layout.strides.begin(), layout.strides.end(), out);
        return encoder.use(field, where, layout.bytes, access, size_of(type));
    };
    accel_tensor& raw = encoder.raw().tensor;
    const Elementwise& e = elementwise;
    raw.dst = operand("dst", e.dst, e.dst_strides, params.dst_strides, e.dst_type, params.dst_type,
                      Access::write);
    raw.src0 = operand("a", e.a, e.a_strides, params.src0_strides, e.a_type, params.src0_type,
                       Access::read);
    if (e.op != ElementwiseOp::identity) {
        raw.src1 = operand("b", e.b, e.b_strides, params.src1_strides, e.b_type, params.src1_type,
                           Access::read);
    } else if (e.b || !e.b_strides.empty()) {
        throw_invalid("Elementwise::b is no operand of ElementwiseOp::identity");
    }
    if (e.op == ElementwiseOp::select) {
        raw.src2 = operand("c", e.c, e.c_strides, params.src2_strides, e.c_type, params.src2_type,
                           Access::read);
    } else if (e.c || !e.c_strides.empty()) {
        throw_invalid("Elementwise::c is an operand of ElementwiseOp::select alone");
    }
    encoder.params(params);
    encoder.finish();
}

Command::Command(const Softmax& softmax) {
    Encoder encoder(*this, "Softmax", ACCEL_OP_SOFTMAX);
    const std::uint64_t bytes =
        detail::tensor(softmax.outer, softmax.n, softmax.inner, f32_bytes, encoder.name("src"));
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst = encoder.use("dst", softmax.dst, bytes, Access::write, f32_bytes);
    raw.src0 = encoder.use("src", softmax.src, bytes, Access::read, f32_bytes);
    encoder.params(reduce_params(0, softmax.outer, softmax.n, softmax.inner));
    encoder.finish();
}

Command::Command(const Reduce& reduce) {
    Encoder encoder(*this, "Reduce", ACCEL_OP_REDUCE);
    if (reduce.n == 0) {
        throw_invalid("Reduce::n is zero: there is nothing to reduce");
    }
    accel_tensor& raw = encoder.raw().tensor;
    raw.dst =
        encoder.use("dst", reduce.dst,
                    detail::tensor(reduce.outer, 1, reduce.inner, f32_bytes, encoder.name("dst")),
                    Access::write, f32_bytes);
    raw.src0 = encoder.use(
        "src", reduce.src,
        detail::tensor(reduce.outer, reduce.n, reduce.inner, f32_bytes, encoder.name("src")),
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
        throw_invalid("Transpose::shape has no dimensions");
    }
    check_element(element, encoder.name("element_size"));
    accel_transpose params{};
    params.size = static_cast<std::uint8_t>(element);
    params.rank = static_cast<std::uint8_t>(shape.rank());
    const Strided dst = strided(shape, transpose.dst_strides, element, encoder.name("dst"));
    std::copy(dst.strides.begin(), dst.strides.end(), params.dst_strides);
    // From the first element that is read to the last.
    const Name src = encoder.name("src");
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
        throw_invalid("Transpose::src_strides lead below the start of src: src_offset is " +
                      std::to_string(transpose.src_offset) + " and must be " +
                      std::to_string(below) + " at least");
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
    check_element(gather.element_size, encoder.name("element_size"));
    if (gather.index_type != DataType::i32 && gather.index_type != DataType::i64) {
        throw_invalid("Gather::index_type is i32 or i64");
    }
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
                          detail::tensor(gather.outer, gather.count, gather.inner,
                                         gather.element_size, encoder.name("dst")),
                          Access::write, gather.element_size);
    raw.src0 = encoder.use("src", gather.src,
                           detail::tensor(gather.outer, gather.n, gather.inner, gather.element_size,
                                          encoder.name("src")),
                           Access::read, gather.element_size);
    raw.src1 = encoder.use(
        "indices", gather.indices,
        detail::tensor(gather.elements ? gather.outer : 1, gather.count,
                       gather.elements ? gather.inner : 1, index, encoder.name("indices")),
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
    raw.dst = encoder.use(
        "dst", resize.dst,
        detail::tensor(resize.outer, resize.count, resize.inner, f32_bytes, encoder.name("dst")),
        Access::write, f32_bytes);
    raw.src0 = encoder.use(
        "src", resize.src,
        detail::tensor(resize.outer, resize.n, resize.inner, f32_bytes, encoder.name("src")),
        Access::read, f32_bytes);
    raw.src1 = encoder.use(
        "table", resize.table,
        detail::tensor(resize.count, resize.taps, 1, sizeof(Tap), encoder.name("table")),
        Access::read, f32_bytes);
    encoder.params(params);
    encoder.finish();
}

}  // namespace accel
