// SPDX-License-Identifier: Apache-2.0
//
// Matrix multiplication.
#pragma once

#include <cstdint>

#include "accel/commands/data_type.hpp"
#include "accel/commands/operand.hpp"
#include "accel/commands/unary_op.hpp"

namespace accel {

/// d[m][n] = activation(sum over k of a[m][k] * b[k][n] + bias[n]), for each matrix of a batch.
/// Matrices are row-major; leading dimensions and batch strides are in elements.
struct Gemm {
    Operand d = {};
    Operand a = {};
    Operand b = {};
    Operand bias = {};  ///< n values, see NumericFormat; not set: no bias
    std::uint32_t m = 0;
    std::uint32_t n = 0;
    std::uint32_t k = 0;
    UnaryOp activation = UnaryOp::none;
    bool transpose_a = false;  ///< a is stored as k x m
    bool transpose_b = false;  ///< b is stored as n x k
    std::uint32_t lda = 0;     ///< from one stored row of a to the next; zero: dense
    std::uint32_t ldb = 0;
    std::uint32_t ldd = 0;
    float activation_alpha = 0;  ///< see UnaryOp
    float activation_beta = 0;
    NumericFormat format = {};
    std::uint32_t batch = 1;           ///< number of matrices
    std::uint32_t batch_stride_a = 0;  ///< from one matrix to the next; zero: all use the same a
    std::uint32_t batch_stride_b = 0;
    std::uint32_t batch_stride_d = 0;
};

}  // namespace accel
