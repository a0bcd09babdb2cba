// SPDX-License-Identifier: Apache-2.0
//
// Helpers of the functions that lower operators.
#pragma once

#include <vector>

#include "frontend/operator_table.hpp"

namespace accel::compiler {

// ---- arithmetic; the result has the data type of the first operand

[[nodiscard]] inline ValueId add(const Node& n, ValueId a, ValueId b) {
    return n.b.binary(ElementwiseOp::add, a, b);
}
[[nodiscard]] inline ValueId sub(const Node& n, ValueId a, ValueId b) {
    return n.b.binary(ElementwiseOp::sub, a, b);
}
[[nodiscard]] inline ValueId mul(const Node& n, ValueId a, ValueId b) {
    return n.b.binary(ElementwiseOp::mul, a, b);
}
[[nodiscard]] inline ValueId div(const Node& n, ValueId a, ValueId b) {
    return n.b.binary(ElementwiseOp::div, a, b);
}
[[nodiscard]] inline ValueId unary(const Node& n, UnaryOp op, ValueId x) {
    return n.b.unary(op, x);
}
[[nodiscard]] inline ValueId add(const Node& n, ValueId x, float y) {
    return add(n, x, n.b.scalar(n.b.type(x), y));
}
[[nodiscard]] inline ValueId mul(const Node& n, ValueId x, float y) {
    return mul(n, x, n.b.scalar(n.b.type(x), y));
}

// ---- operators that are one instruction

[[nodiscard]] inline Lowering unary_operator(UnaryOp activation) {
    return [=](const Node& n) { return Values{n.b.unary(activation, n.in(0))}; };
}

/// The attribute is the first parameter of the operation.
[[nodiscard]] inline Lowering unary_with_alpha(UnaryOp activation, const char* attribute,
                                               float otherwise) {
    return [=](const Node& n) {
        return Values{n.b.unary(activation, n.in(0), n.real(attribute, otherwise))};
    };
}

// ---- lists

/// The dimensions 0, 1, 2, …
[[nodiscard]] std::vector<std::size_t> all_axes(std::size_t rank);
/// The same, with two dimensions exchanged.
[[nodiscard]] std::vector<std::size_t> swapped_axes(std::size_t rank, std::size_t a, std::size_t b);
/// A constant of these integers, as i64.
[[nodiscard]] ValueId integer_list(const Node& n, const std::vector<std::int64_t>& values);

// ---- integers

/// Whether f32, with its 24 bits, does not hold all integers of a type.
[[nodiscard]] bool is_wide(DataType type);
/// Converts a value for an engine that supports f32 only. Refuses wide integers.
[[nodiscard]] ValueId as_f32(const Node& n, ValueId x);
/// As Builder::reduce(), for wide integers.
[[nodiscard]] ValueId reduce_integers(const Node& n, ReduceOp op, ValueId x,
                                      const std::vector<std::size_t>& axes);
/// ArgMax and ArgMin of wide integers.
[[nodiscard]] ValueId arg_reduce_integers(const Node& n, ReduceOp op, ValueId x, std::size_t axis);
/// The product of matrices of integers.
[[nodiscard]] ValueId matmul_integers(const Node& n, ValueId a, ValueId b);

// ---- reductions and normalization

/// Reduces a value of any type: types other than f32 are converted.
[[nodiscard]] ValueId reduce(const Node& n, ReduceOp op, ValueId x,
                             const std::vector<std::size_t>& axes);
/// Removes axes of length 1.
[[nodiscard]] ValueId squeezed(const Node& n, ValueId x, const std::vector<std::size_t>& axes);
[[nodiscard]] ValueId log_softmax_along(const Node& n, ValueId x, std::size_t axis);

}  // namespace accel::compiler
