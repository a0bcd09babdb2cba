// SPDX-License-Identifier: Apache-2.0
//
// Convolutions and pools of the domain com.microsoft: with an activation and a residual, or with
// channels innermost.
#include <onnx.pb.h>

#include "frontend/operators/contrib.hpp"

namespace accel::compiler {

namespace {

// The inputs X, W and B.
Node::Inputs conv_inputs(const Node& n) {
    return {n.in(0), n.in(1), optional_input(n, 2)};
}

ValueId with_residual(const Node& n, ValueId y) {
    return activated(n, add_input(n, y, 3), n.text("activation", ""), n.reals("activation_params"));
}

Values fused_conv(const Node& n) {
    return {with_residual(n, lowered_as(n, "Conv", conv_inputs(n))[0])};
}

// [n, ..., c] as [n, c, ...] and back.
ValueId channels_second(const Node& n, ValueId x) {
    const std::size_t rank = n.b.rank(x);
    static_cast<void>(n.b.length(x, 2));
    std::vector<std::size_t> order{0, rank - 1};
    for (std::size_t i = 1; i + 1 < rank; ++i) {
        order.push_back(i);
    }
    return n.b.permute(x, order);
}
ValueId channels_last(const Node& n, ValueId x) {
    std::vector<std::size_t> order{0};
    for (std::size_t i = 2; i < n.b.rank(x); ++i) {
        order.push_back(i);
    }
    order.push_back(1);
    return n.b.permute(x, order);
}

ValueId nhwc(const Node& n, const char* name, Node::Inputs inputs) {
    inputs[0] = channels_second(n, n.in(0));
    return channels_last(n, lowered_as(n, name, std::move(inputs))[0]);
}

Values nhwc_conv(const Node& n) {
    return {nhwc(n, "Conv", conv_inputs(n))};
}

Values nhwc_fused_conv(const Node& n) {
    return {with_residual(n, nhwc(n, "Conv", conv_inputs(n)))};
}

Values nhwc_max_pool(const Node& n) {
    return {nhwc(n, "MaxPool", {n.in(0)})};
}

// The pads are an input; as an attribute they make it ConvTranspose.
Values conv_transpose_with_pads(const Node& n) {
    onnx::NodeProto node = n.proto();
    if (n.has(2)) {
        onnx::AttributeProto& pads = *node.add_attribute();
        pads.set_name("pads");
        pads.set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t pad : n.integers(2)) {
            pads.add_ints(pad);
        }
    }
    return lowered_as(Node(node, n.b, {}, latest_opset), "ConvTranspose",
                      {n.in(0), n.in(1), optional_input(n, 3)});
}

}  // namespace

void add_contrib_convolutions(OperatorTable& table) {
    table.add({
        {"com.microsoft.ConvTransposeWithDynamicPads", conv_transpose_with_pads},
        {"com.microsoft.FusedConv", fused_conv},
        {"com.microsoft.NhwcConv", nhwc_conv},
        {"com.microsoft.NhwcFusedConv", nhwc_fused_conv},
        {"com.microsoft.NhwcMaxPool", nhwc_max_pool},
    });
}

}  // namespace accel::compiler
