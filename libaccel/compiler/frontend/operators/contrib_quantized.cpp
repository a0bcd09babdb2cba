// SPDX-License-Identifier: Apache-2.0
//
// Quantized operators of the domain com.microsoft that ONNX Runtime defines as a dequantization, an
// operator in f32, and a quantization.
#include "frontend/operators/contrib.hpp"

namespace accel::compiler {

namespace {

// (x - zero point) * scale of the inputs first, first + 1 and first + 2.
ValueId dequantized(const Node& n, std::size_t first) {
    std::optional<ValueId> zero = optional_input(n, first + 2);
    if (zero) {
        zero = n.b.reshape(*zero, {});
    }
    return lowered_as(n, "DequantizeLinear",
                      {n.in(first), n.b.reshape(n.in(first + 1), {}), zero})[0];
}

// Quantizes by the inputs `scale` and `scale` + 1; an absent zero point is zero of this type.
ValueId quantized(const Node& n, ValueId x, std::size_t scale, DataType type) {
    const ValueId zero = n.has(scale + 1) ? n.b.reshape(n.in(scale + 1), {}) : n.b.scalar(type, 0);
    return lowered_as(n, "QuantizeLinear", {x, n.b.reshape(n.in(scale), {}), zero})[0];
}

// An operator of ai.onnx with one quantized input, and the attributes of the node.
Values through(const Node& n, const char* name) {
    const ValueId y = lowered_as(n, name, {dequantized(n, 0)})[0];
    return {quantized(n, y, 3, n.b.type(n.in(0)))};
}

Lowering one_input(const char* name) {
    return [=](const Node& n) { return through(n, name); };
}

Lowering two_inputs(ElementwiseOp op) {
    return [=](const Node& n) {
        const ValueId y = n.b.binary(op, dequantized(n, 0), dequantized(n, 3));
        return Values{quantized(n, y, 6, n.b.type(n.in(0)))};
    };
}

Values concat(const Node& n) {
    if (n.count() < 5 || n.count() % 3 != 2) {
        refuse("it has " + std::to_string(n.count()) +
               " inputs, which are not two and three for each tensor");
    }
    Values parts;
    for (std::size_t i = 2; i < n.count(); i += 3) {
        parts.push_back(dequantized(n, i));
    }
    const std::size_t axis = normalize_axis(n.integer("axis"), n.b.rank(parts[0]));
    return {quantized(n, n.b.concat(parts, axis), 0, n.b.type(n.in(2)))};
}

Values where(const Node& n) {
    const ValueId y =
        n.b.select(n.b.cast(n.in(0), DataType::boolean), dequantized(n, 1), dequantized(n, 4));
    return {quantized(n, y, 7, n.b.type(n.in(1)))};
}

// From opset 13 on, Softmax works along one axis; before, along all axes from this one on.
Values softmax(const Node& n) {
    const ValueId x = dequantized(n, 0);
    const Dims dims = n.b.dims(x);
    const bool along_axis = n.integer("opset", 13) >= 13;
    const std::size_t axis = normalize_axis(n.integer("axis", along_axis ? -1 : 1), dims.size());
    const auto at = dims.begin() + static_cast<std::ptrdiff_t>(axis);
    const Dims rows{elements(Dims(dims.begin(), at)), elements(Dims(at, dims.end()))};
    const ValueId y =
        along_axis ? n.b.softmax(x, axis) : n.b.reshape(n.b.softmax(n.b.reshape(x, rows), 1), dims);
    return {quantized(n, y, 3, n.b.type(n.in(0)))};
}

// The order of dimensions from [n, h, w, c] to [n, c, h, w] and back.
std::vector<std::size_t> channels_first(std::size_t rank) {
    std::vector<std::size_t> order{0, rank - 1};
    for (std::size_t i = 1; i + 1 < rank; ++i) {
        order.push_back(i);
    }
    return order;
}
std::vector<std::size_t> channels_last(std::size_t rank) {
    std::vector<std::size_t> order{0};
    for (std::size_t i = 2; i < rank; ++i) {
        order.push_back(i);
    }
    order.push_back(1);
    return order;
}

// A pool, or an operator with such an image as its only input.
Lowering pool(const char* name) {
    return [=](const Node& n) {
        const bool last = n.integer("channels_last", 0) != 0;
        ValueId x = dequantized(n, 0);
        static_cast<void>(n.b.length(x, 2));
        const std::size_t rank = n.b.rank(x);
        x = last ? n.b.permute(x, channels_first(rank)) : x;
        ValueId y = lowered_as(n, name, {x})[0];
        y = last ? n.b.permute(y, channels_last(rank)) : y;
        return Values{quantized(n, y, 3, n.b.type(n.in(0)))};
    };
}

Values conv(const Node& n) {
    Node::Inputs inputs;
    for (std::size_t i = 0; i < n.count(); ++i) {
        inputs.push_back(optional_input(n, i));
    }
    if (n.integer("channels_last", 0) == 0) {
        return lowered_as(n, "QLinearConv", std::move(inputs));
    }
    static_cast<void>(n.b.length(n.in(0), 2));
    const std::size_t rank = n.b.rank(n.in(0));
    inputs[0] = n.b.permute(n.in(0), channels_first(rank));
    const ValueId y = lowered_as(n, "QLinearConv", std::move(inputs))[0];
    return {n.b.permute(y, channels_last(rank))};
}

// ---- exact integers

ValueId shifted(const Node& n, std::size_t input, std::size_t zero) {
    const ValueId x = n.b.cast(n.in(input), DataType::i32);
    return n.has(zero) ? sub(n, x, n.b.reshape(n.b.cast(n.in(zero), DataType::i32), {})) : x;
}

Values mul_integer(const Node& n) {
    return {mul(n, shifted(n, 0, 1), shifted(n, 2, 3))};
}

Values reduce_sum_integer(const Node& n) {
    const bool is_unsigned = n.b.type(n.in(0)) == DataType::u8;
    const ValueId x = n.b.cast(n.in(0), is_unsigned ? DataType::u32 : DataType::i32);
    return lowered_as(n, "ReduceSum", {x});
}

}  // namespace

void add_contrib_quantized(OperatorTable& table) {
    table.add({
        {"com.microsoft.MulInteger", mul_integer},
        {"com.microsoft.QLinearAdd", two_inputs(ElementwiseOp::add)},
        {"com.microsoft.QLinearAveragePool", pool("AveragePool")},
        {"com.microsoft.QLinearConcat", concat},
        {"com.microsoft.QLinearConv", conv},
        {"com.microsoft.QLinearGlobalAveragePool", pool("GlobalAveragePool")},
        {"com.microsoft.QLinearLeakyRelu", one_input("LeakyRelu")},
        {"com.microsoft.QLinearMul", two_inputs(ElementwiseOp::mul)},
        {"com.microsoft.QLinearReduceMean", one_input("ReduceMean")},
        {"com.microsoft.QLinearSigmoid", one_input("Sigmoid")},
        {"com.microsoft.QLinearSoftmax", softmax},
        {"com.microsoft.QLinearWhere", where},
        {"com.microsoft.ReduceSumInteger", reduce_sum_integer},
    });
}

}  // namespace accel::compiler
