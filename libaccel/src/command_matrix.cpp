// SPDX-License-Identifier: Apache-2.0
//
// Checks and encoding of Gemm.
#include <string>

#include "encoder.hpp"

namespace accel {

namespace {

using detail::Encoder;
using detail::f32_bytes;
using detail::OperandName;
using detail::throw_invalid;

// Bytes of a stored matrix.
std::uint64_t matrix_bytes(std::uint64_t rows, std::uint64_t columns,
                           std::uint64_t leading_dimension, std::uint64_t element_size,
                           OperandName name) {
    if (leading_dimension < columns) {
        throw_invalid(name.text() + " has rows of " + std::to_string(columns) +
                      " elements that are only " + std::to_string(leading_dimension) +
                      " apart: make the leading dimension larger, or zero for dense");
    }
    return strided_bytes(rows, leading_dimension * element_size, columns * element_size, name);
}

}  // namespace

Command::Command(const Gemm& gemm) {
    Encoder encoder(*this, "Gemm", ACCEL_OP_GEMM);
    const std::uint32_t a_columns = gemm.transpose_a ? gemm.m : gemm.k;
    const std::uint32_t b_columns = gemm.transpose_b ? gemm.k : gemm.n;
    accel_gemm params{};
    params.type = static_cast<std::uint8_t>(gemm.format.a_type);
    params.format = detail::to_raw(gemm.format, encoder.name("format"));
    detail::set_activation(params, gemm.activation, gemm.activation_alpha, gemm.activation_beta,
                           "Gemm");
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
    params.batch_a = gemm.batch_stride_a;
    params.batch_b = gemm.batch_stride_b;
    params.batch_d = gemm.batch_stride_d;
    if (gemm.batch == 0) {
        throw_invalid("Gemm::batch is zero: it must be at least 1");
    }

    accel_tensor& raw = encoder.raw().tensor;
    const auto stored = [&](const char* field, const Operand& operand, std::uint32_t rows,
                            std::uint32_t columns, std::uint32_t leading, std::uint32_t step,
                            DataType type, Access access) {
        const std::uint32_t element = size_of(type);
        const OperandName name = encoder.name(field);
        const std::uint64_t one = matrix_bytes(rows, columns, leading, element, name);
        const std::uint64_t all =
            detail::strided_bytes(gemm.batch, std::uint64_t{step} * element, one, name);
        return encoder.use(field, operand, all, access, element);
    };
    raw.dst = stored("d", gemm.d, gemm.m, gemm.n, params.ldd, gemm.batch_stride_d,
                     gemm.format.result_type,
                     gemm.format.accumulate ? Access::read_write : Access::write);
    raw.src0 = stored("a", gemm.a, gemm.transpose_a ? gemm.k : gemm.m, a_columns, params.lda,
                      gemm.batch_stride_a, gemm.format.a_type, Access::read);
    raw.src1 = stored("b", gemm.b, gemm.transpose_b ? gemm.n : gemm.k, b_columns, params.ldb,
                      gemm.batch_stride_b, gemm.format.b_type, Access::read);
    if (gemm.bias || gemm.format.requantize) {
        raw.src2 = encoder.use("bias", gemm.bias,
                               std::uint64_t{gemm.n} * detail::channel_bytes(gemm.format),
                               Access::read, f32_bytes);
    }
    encoder.params(params);
    encoder.finish();
}

}  // namespace accel
