// SPDX-License-Identifier: Apache-2.0
//
// Operators on the bits of elements.
#include "frontend/onnx_tensor.hpp"
#include "frontend/operators/lowering.hpp"

namespace accel::compiler {

namespace {

Values bitwise_not(const Node& n) {
    const ValueId x = n.in(0);
    return {n.b.binary(ElementwiseOp::bit_xor, x, n.b.scalar(n.b.type(x), -1))};
}

Values bit_cast(const Node& n) {
    return {n.b.bitcast(n.in(0), n.b.compute_type(data_type_of(n.integer("to", 0))))};
}

}  // namespace

void add_bits(OperatorTable& table) {
    table.add({
        {"BitCast", {26}, bit_cast},
        {"BitwiseNot", {18}, bitwise_not},
    });
}

}  // namespace accel::compiler
