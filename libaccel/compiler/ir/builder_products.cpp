// SPDX-License-Identifier: Apache-2.0
//
// The parts of the builder for matrices and images.
#include "ir/builder.hpp"

namespace accel::compiler {

ValueId Builder::matmul(ValueId a, ValueId b) {
    return matmul(
        {.epilogue = {}, .format = {.a_type = type(a), .b_type = type(b), .result_type = type(a)}},
        {a, b});
}

ValueId Builder::matmul(op::MatMul operation, std::vector<ValueId> in) {
    const Dims& a = dims(in[0]);
    const Dims& b = dims(in[1]);
    if (a.size() < 2 || b.size() < 2 || a.back() != b[b.size() - 2]) {
        refuse("its operands " + to_string(a) + " and " + to_string(b) +
               " cannot be multiplied as matrices");
    }
    check_channels(in, b.back(), operation.format);
    Dims shape = broadcast_dims(Dims(a.begin(), a.end() - 2), Dims(b.begin(), b.end() - 2));
    shape.push_back(a[a.size() - 2]);
    shape.push_back(b.back());
    const DataType type = operation.format.result_type;
    return add(operation, std::move(in), type, std::move(shape));
}

ValueId Builder::attention(op::Attention operation, std::vector<ValueId> in, DataType result) {
    const Dims& q = dims(in[0]);
    const Dims& k = dims(in[1]);
    const Dims& v = dims(in[2]);
    const bool four = q.size() == 4 && k.size() == 4 && v.size() == 4;
    if (!four || q[0] != k[0] || q[0] != v[0] || q[3] != k[3] || k[1] != v[1] || k[2] != v[2] ||
        k[1] == 0 || q[1] % k[1] != 0) {
        refuse("its queries " + to_string(q) + ", keys " + to_string(k) + " and values " +
               to_string(v) + " do not fit together");
    }
    if (operation.has_mask &&
        broadcast_dims(dims(in[3]), {q[0], q[1], q[2], k[2]}) != Dims{q[0], q[1], q[2], k[2]}) {
        refuse("its mask " + to_string(dims(in[3])) + " does not fit its scores");
    }
    Dims shape{q[0], q[1], q[2], v[3]};
    return add(operation, std::move(in), result, std::move(shape));
}

// Checks the type and the number of elements of a third operand.
void Builder::check_channels(const std::vector<ValueId>& in, std::int64_t channels,
                             const NumericFormat& format) const {
    if (in.size() < 3) {
        return;
    }
    const bool quantized = format.a_type == DataType::i8 || format.a_type == DataType::u8;
    if (type(in[2]) != (quantized ? DataType::i32 : DataType::f32) ||
        elements(dims(in[2])) != channels * (format.requantize ? 2 : 1)) {
        refuse("its bias " + std::string(to_string(type(in[2]))) + to_string(dims(in[2])) +
               " does not have one value for each of " + std::to_string(channels) + " channels");
    }
}

ValueId Builder::conv(op::Conv conv, std::vector<ValueId> in, std::int64_t height,
                      std::int64_t width) {
    const Dims& x = dims(in[0]);
    const Dims& w = dims(in[1]);
    if (x.size() != 4 || w.size() != 4 || x[1] != w[1] * conv.groups || w[0] % conv.groups != 0) {
        refuse("images of the shape " + to_string(x) + " do not fit weights of the shape " +
               to_string(w) + " with " + std::to_string(conv.groups) + " groups");
    }
    if (height < 0 || width < 0) {
        refuse("its window is larger than the padded image");
    }
    check_channels(in, w[0], conv.format);
    const DataType type = conv.format.result_type;
    return add(conv, std::move(in), type, {x[0], w[0], height, width});
}

ValueId Builder::pool(op::Pool pool, ValueId x, std::int64_t height, std::int64_t width) {
    if (height < 0 || width < 0) {
        refuse("its window is larger than the padded image");
    }
    const ValueId out = add(pool, {x}, type(x), {dims(x)[0], dims(x)[1], height, width});
    // The largest quantized element represents the largest number, because the scale is positive.
    const QuantParams* const quant = quant_params(x, false);
    if (quant != nullptr && pool.op == PoolOp::max && quant->scales[0] > 0) {
        QuantParams same = *quant;
        same.counterpart = this->pool(pool, quant->counterpart, height, width);
        set_quant_params(out, std::move(same));
    }
    return out;
}

}  // namespace accel::compiler
