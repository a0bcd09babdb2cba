// SPDX-License-Identifier: Apache-2.0
//
// Element-wise commands with broadcasting, conversion of data types and an activation.
#pragma once

#include <cstdint>

#include "accel/commands/data_type.hpp"
#include "accel/commands/operand.hpp"
#include "accel/commands/unary_op.hpp"
#include "accel/shape.hpp"

namespace accel {

enum class ElementwiseOp : std::uint8_t {
    add = 0,
    sub = 1,
    mul = 2,
    div = 3,
    min = 4,
    max = 5,
    identity = 6,  ///< a; b is not set
    prelu = 7,     ///< a < 0 ? a * b : a
    pow = 8,
    fmod = 9,  ///< remainder with the sign of a
    mod = 10,  ///< remainder with the sign of b
    equal = 11,
    less = 12,
    less_equal = 13,
    bit_and = 14,  ///< the bit-wise operations and the shifts need DataType::i64
    bit_or = 15,
    bit_xor = 16,
    shift_left = 17,
    shift_right = 18,
    select = 19,  ///< c != 0 ? a : b
};

/// dst[i] = activation(op(a[i], b[i])) over `shape`. Strides are in elements, one for each
/// dimension; an empty Shape means dense. A stride of zero on a source broadcasts it.
struct Elementwise {
    ElementwiseOp op = ElementwiseOp::add;
    Operand dst = {};
    Operand a = {};
    Operand b = {};
    Shape shape = {};
    Shape dst_strides = {};
    Shape a_strides = {};
    Shape b_strides = {};
    UnaryOp activation = UnaryOp::none;
    float activation_alpha = 0;  ///< see UnaryOp
    float activation_beta = 0;
    DataType type = DataType::f32;  ///< of the computation: f32 or i64; operands are converted
    DataType dst_type = DataType::f32;
    DataType a_type = DataType::f32;
    DataType b_type = DataType::f32;
    Operand c = {};  ///< the condition of ElementwiseOp::select; not set for the others
    Shape c_strides = {};
    DataType c_type = DataType::boolean;
};

}  // namespace accel
