// SPDX-License-Identifier: Apache-2.0
//
// Activations of the domain com.microsoft, and helpers of all its operators. ONNX Runtime's
// optimizer and quantizers write them.
#include "frontend/operators/contrib.hpp"

#include <cmath>
#include <limits>
#include <numbers>

namespace accel::compiler {

Values lowered_as(const Node& n, const char* name, Node::Inputs inputs) {
    return operators().find(name,
                            latest_opset)(Node(n.proto(), n.b, std::move(inputs), latest_opset));
}

ValueId add_input(const Node& n, ValueId x, std::size_t input) {
    return n.has(input) ? add(n, x, n.in(input)) : x;
}

ValueId activated(const Node& n, ValueId x, const std::string& name,
                  const std::vector<float>& parameters) {
    const auto parameter = [&](std::size_t i, float otherwise) {
        return i < parameters.size() ? parameters[i] : otherwise;
    };
    const auto one = [&](UnaryOp op) { return unary(n, op, x); };
    if (name.empty()) {
        return x;
    }
    if (name == "Relu") {
        return one(UnaryOp::relu);
    }
    if (name == "Sigmoid") {
        return one(UnaryOp::sigmoid);
    }
    if (name == "Tanh") {
        return one(UnaryOp::tanh);
    }
    if (name == "Softplus") {
        return one(UnaryOp::softplus);
    }
    if (name == "Softsign") {
        return div(n, x, add(n, one(UnaryOp::abs), 1.0F));
    }
    if (name == "LeakyRelu") {
        return n.b.unary(UnaryOp::leaky_relu, x, parameter(0, 0.01F));
    }
    if (name == "Elu") {
        return n.b.unary(UnaryOp::elu, x, parameter(0, 1.0F));
    }
    if (name == "Clip") {
        return n.b.unary(UnaryOp::clip, x, parameter(0, -std::numeric_limits<float>::max()),
                         parameter(1, std::numeric_limits<float>::max()));
    }
    if (name == "HardSigmoid") {
        return n.b.unary(UnaryOp::hard_sigmoid, x, parameter(0, 0.2F), parameter(1, 0.5F));
    }
    if (name == "HardSwish") {
        return one(UnaryOp::hard_swish);
    }
    refuse("its activation '" + name + "' is not supported");
}

ValueId tanh_gelu(const Node& n, ValueId x) {
    const auto scalar = [&](double c) { return n.b.scalar(n.b.type(x), c); };
    const ValueId square = mul(n, x, x);
    const ValueId inner = mul(n, mul(n, x, scalar(std::sqrt(2 / std::numbers::pi))),
                              add(n, mul(n, square, scalar(0.044715)), scalar(1)));
    const ValueId factor = add(n, n.b.unary(UnaryOp::tanh, inner), scalar(1));
    return mul(n, mul(n, x, scalar(0.5)), factor);
}

ValueId silu(const Node& n, ValueId x) {
    return mul(n, x, unary(n, UnaryOp::sigmoid, x));
}

ValueId transposed_if(const Node& n, ValueId x, const char* attribute) {
    if (n.integer(attribute, 0) == 0 || n.b.rank(x) < 2) {
        return x;
    }
    const std::size_t rank = n.b.rank(x);
    return n.b.permute(x, swapped_axes(rank, rank - 2, rank - 1));
}

namespace {

Values gelu(const Node& n) {
    return {n.b.unary(UnaryOp::gelu, add_input(n, n.in(0), 1))};
}

Values fast_gelu(const Node& n) {
    return {tanh_gelu(n, add_input(n, n.in(0), 1))};
}

Values quick_gelu(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId scaled = mul(n, x, n.b.scalar(n.b.type(x), n.real("alpha", 1.702F)));
    return {mul(n, x, n.b.unary(UnaryOp::sigmoid, scaled))};
}

// Adds the bias; the left half multiplies the Gelu of the right one.
Values bias_split_gelu(const Node& n) {
    const ValueId x = add(n, n.in(0), n.in(1));
    const std::size_t last = n.b.rank(x) - 1;
    const std::int64_t length = n.b.length(x, last);
    if (length % 2 != 0) {
        refuse("its last axis has " + std::to_string(length) + " elements, which is odd");
    }
    const ValueId right = n.b.slice(x, last, length / 2, length / 2);
    return {mul(n, n.b.slice(x, last, 0, length / 2), unary(n, UnaryOp::gelu, right))};
}

Values bias_add(const Node& n) {
    return {add(n, add(n, n.in(0), n.in(1)), n.in(2))};
}

// The bias broadcasts: its dimensions of length 1 are repeated, and those that it lacks at its
// front.
Values bias_softmax(const Node& n) {
    const ValueId x = n.in(0);
    const Dims dims = n.b.dims(x);
    const std::size_t axis = normalize_axis(n.integer("axis", 1), dims.size());
    if (n.integer("is_inner_broadcast", 0) != 0 && n.b.rank(n.in(1)) != dims.size()) {
        refuse("its bias " + to_string(n.b.dims(n.in(1))) + " does not have the " +
               std::to_string(dims.size()) +
               " dimensions of its input, which is_inner_broadcast "
               "needs");
    }
    const ValueId sum = n.b.cast(add(n, x, n.in(1)), DataType::f32);
    const auto at = dims.begin() + static_cast<std::ptrdiff_t>(axis);
    const Dims rows{elements(Dims(dims.begin(), at)), elements(Dims(at, dims.end()))};
    const ValueId y = n.b.softmax(n.b.reshape(sum, rows), 1);
    return {n.b.cast(n.b.reshape(y, dims), n.b.type(x))};
}

Values scaled_silu(const Node& n) {
    const ValueId x = n.in(0);
    const ValueId factor = n.has(1) ? n.b.cast(n.b.reshape(n.in(1), {}), n.b.type(x))
                                    : n.b.scalar(n.b.type(x), n.real("alpha", 1.0F));
    return {silu(n, mul(n, x, factor))};
}

}  // namespace

void add_contrib(OperatorTable& table) {
    table.add({
        {"com.microsoft.BiasAdd", bias_add},
        {"com.microsoft.BiasGelu", gelu},
        {"com.microsoft.BiasSoftmax", bias_softmax},
        {"com.microsoft.BiasSplitGelu", bias_split_gelu},
        {"com.microsoft.FastGelu", fast_gelu},
        {"com.microsoft.Gelu", gelu},
        {"com.microsoft.QuickGelu", quick_gelu},
        {"com.microsoft.ScaledSiLU", scaled_silu},
    });
    add_contrib_attention(table);
    add_contrib_convolutions(table);
    add_contrib_grouped_attention(table);
    add_contrib_normalizations(table);
    add_contrib_packed_weights(table);
    add_contrib_position_bias(table);
    add_contrib_products(table);
    add_contrib_quantized(table);
    add_contrib_quantized_products(table);
    add_contrib_tensors(table);
    // Operators with the definition that ONNX has given them since.
    for (const std::string name :
         {"DequantizeLinear", "GatherND", "GridSample", "QuantizeLinear", "Range", "Trilu"}) {
        table.add_alias("com.microsoft." + name, name);
    }
}

}  // namespace accel::compiler
