// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of Elementwise.
#include <algorithm>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::throw_invalid;

}  // namespace

Command::Command(const Elementwise& elementwise) {
    Encoder encoder(*this, "Elementwise", ACCEL_OP_ELEMENTWISE);
    const Shape& shape = elementwise.shape;
    if (shape.empty()) {
        throw_invalid("Elementwise::shape has no dimensions: give it at least one");
    }
    accel_elementwise params{};
    params.type = static_cast<std::uint8_t>(elementwise.type);
    if (elementwise.type != DataType::f32 && elementwise.type != DataType::i64) {
        throw_invalid(
            "Elementwise::type is neither f32 nor i64: compute in one of them; operands of other "
            "data types are converted");
    }
    detail::set_activation(params, elementwise.activation, elementwise.activation_alpha,
                           elementwise.activation_beta, "Elementwise");
    params.op = static_cast<std::uint8_t>(elementwise.op);
    params.rank = static_cast<std::uint8_t>(shape.rank());
    for (std::size_t i = 0; i < shape.rank(); ++i) {
        params.dims[i] = detail::to_u32(shape[i], encoder.name("shape"));
    }
    const auto operand = [&](const char* field, const Operand& where, const Shape& strides,
                             __le32* out, DataType type, std::uint8_t& raw_type, Access access) {
        const detail::StridedLayout layout =
            detail::strided_layout(shape, strides, size_of(type), encoder.name(field));
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
        throw_invalid(
            "Elementwise::b has no meaning for ElementwiseOp::identity: leave it and b_strides "
            "unset");
    }
    if (e.op == ElementwiseOp::select) {
        raw.src2 = operand("c", e.c, e.c_strides, params.src2_strides, e.c_type, params.src2_type,
                           Access::read);
    } else if (e.c || !e.c_strides.empty()) {
        throw_invalid(
            "Elementwise::c has a meaning for ElementwiseOp::select only: leave it and c_strides "
            "unset");
    }
    encoder.params(params);
    encoder.finish();
}

}  // namespace accel
