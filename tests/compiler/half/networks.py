# SPDX-License-Identifier: Apache-2.0
"""Small f32 networks whose operators f16 models use, beside those that are quantized."""

from __future__ import annotations

from typing import Any

import models
import numpy as np
import onnx
from models import Network

Array = np.ndarray[Any, Any]


def recurrent(op: str, gates: int) -> tuple[Network, onnx.ModelProto]:
    """Two directions of a recurrent layer, and a product."""
    net = Network(f"{op.lower()}-17", 17, [20, 2, 16])
    hidden = 24
    weights = net.constant(net.random.uniform(-0.3, 0.3, (2, gates * hidden, 16)).astype("f"))
    again = net.constant(net.random.uniform(-0.3, 0.3, (2, gates * hidden, hidden)).astype("f"))
    bias = net.constant(net.random.uniform(-0.2, 0.2, (2, 2 * gates * hidden)).astype("f"))
    more = {"linear_before_reset": 1} if op == "GRU" else {}
    x = net.add(
        op, "x", weights, again, bias, hidden_size=hidden, direction="bidirectional", **more
    )
    x = net.add("Transpose", x, perm=[0, 2, 1, 3])
    x = net.add("Reshape", x, net.constant(np.array([20, 2, 2 * hidden])))
    return net, net.finish(net.add("MatMul", x, net.random_weights(2 * hidden, 8)))


def normalized(net: Network, x: str, width: int) -> str:
    """Adds a normalization over the last axis."""
    scale = net.constant(net.random.uniform(0.5, 1.5, width).astype(np.float32))
    return net.add("LayerNormalization", x, scale, net.bias(width), axis=-1)


def encoder(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Two layers of attention with four heads, and normalizations behind the residuals."""
    net = Network(f"encoder-{opset}", opset, [2, 24, 32])
    x = "x"
    for _ in range(2):
        split = net.constant(np.array([0, 0, 4, 8]))
        parts = []
        for _ in range(3):
            part = net.add("MatMul", x, net.random_weights(32, 32))
            part = net.add("Reshape", net.add("Add", part, net.bias(32)), split)
            parts.append(net.add("Transpose", part, perm=[0, 2, 1, 3]))
        turned = net.add("Transpose", parts[1], perm=[0, 1, 3, 2])
        scores = net.add("MatMul", parts[0], turned)
        scores = net.add("Div", scores, net.constant(np.array(8**0.5, np.float32)))
        mixed = net.add("MatMul", net.add("Softmax", scores, axis=-1), parts[2])
        mixed = net.add("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = net.add("Reshape", mixed, net.constant(np.array([0, 0, 32])))
        mixed = net.add("Add", net.add("MatMul", mixed, net.random_weights(32, 32)), net.bias(32))
        x = normalized(net, net.add("Add", x, mixed), 32)
        inner = net.add("Add", net.add("MatMul", x, net.random_weights(32, 64)), net.bias(64))
        erf = net.add("Erf", net.add("Div", inner, net.constant(np.array(2**0.5, np.float32))))
        gelu = net.add("Mul", inner, net.add("Add", erf, net.constant(np.array(1, np.float32))))
        inner = net.add("Mul", gelu, net.constant(np.array(0.5, np.float32)))
        inner = net.add("Add", net.add("MatMul", inner, net.random_weights(64, 32)), net.bias(32))
        x = normalized(net, net.add("Add", x, inner), 32)
    return net, net.finish(x)


def mobile(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Convolutions of each channel, and activations that are not linear."""
    net = Network(f"mobile-{opset}", opset, [1, 3, 32, 32])
    x = net.add("HardSwish", net.conv("x", 3, 16, stride=2))
    depth = net.random_weights(16, 1, 3, 3)
    x = net.add("Conv", x, depth, net.bias(16), group=16, pads=[1, 1, 1, 1])
    x = net.add("Mul", x, net.add("Sigmoid", x))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.conv(x, 16, 24, side=1)
    return net, net.finish(net.classes(net.add("Elu", x), 24, 10))


def painter(opset: int) -> tuple[Network, onnx.ModelProto]:
    """A picture that becomes smaller, and larger by interpolation and transposed convolution."""
    net = Network(f"painter-{opset}", opset, [1, 3, 32, 32])
    x = net.add("Relu", net.conv("x", 3, 16))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Tanh", net.conv(x, 16, 16))
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    x = net.add("Resize", x, net.constant(np.zeros(0, np.float32)), scales, mode="linear")
    x = net.conv(x, 16, 8)
    x = net.add("ConvTranspose", x, net.random_weights(8, 8, 2, 2), net.bias(8), strides=[2, 2])
    slope = net.constant(net.random.uniform(0, 0.4, (8, 1, 1)).astype(np.float32))
    x = net.add("PRelu", x, slope)
    scale = net.constant(net.random.uniform(0.5, 1.5, 8).astype(np.float32))
    x = net.add("InstanceNormalization", x, scale, net.bias(8))
    return net, net.finish(net.add("Sigmoid", net.conv(x, 8, 2, side=1)))


def sampler(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Channels that are sampled at places that the network finds."""
    net = Network(f"sampler-{opset}", opset, [1, 3, 24, 24])
    places = net.add("Transpose", net.add("Tanh", net.conv("x", 3, 2)), perm=[0, 2, 3, 1])
    x = net.add("GridSample", net.conv("x", 3, 8), places)
    padded = net.add("Pad", x, net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), mode="reflect")
    return net, net.finish(net.conv(padded, 8, 4, side=1))


def chooser(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Values that are compared, summed up along an axis and chosen."""
    net = Network(f"chooser-{opset}", opset, [1, 3, 24, 24])
    x = net.add("CumSum", net.conv("x", 3, 8), net.constant(np.array(2)))
    x = net.conv(net.add("Mul", x, net.constant(np.array(0.1, np.float32))), 8, 8)
    mean = net.add("ReduceMean", x, axes=[1, 2, 3], keepdims=1)
    above = net.add("Greater", x, mean)
    low = net.add("Mul", x, net.constant(np.array(0.3, np.float32)))
    x = net.add("Where", above, x, low)
    return net, net.finish(net.add("ReduceMax", net.conv(x, 8, 4), axes=[2], keepdims=0))


def contributed() -> tuple[Network, onnx.ModelProto]:
    """Operators of com.microsoft, as ONNX Runtime's optimizers write them."""
    net = Network("contributed", 17, [2, 16, 32])
    net.domains.append("com.microsoft")

    def add(op: str, *inputs: str, **attributes: Any) -> str:
        return net.add(op, *inputs, domain="com.microsoft", **attributes)

    def scale() -> str:
        return net.constant(net.random.uniform(0.5, 1.5, 32).astype(np.float32))

    bias = net.constant(net.random.normal(0, 0.1, 96).astype(np.float32))
    x = add("Attention", "x", net.random_weights(32, 96), bias, num_heads=4)
    x = add("SkipLayerNormalization", x, "x", scale(), net.bias(32), net.bias(32))
    inner = add("BiasGelu", net.add("MatMul", x, net.random_weights(32, 64)), net.bias(64))
    inner = add("FusedMatMul", inner, net.random_weights(64, 32), alpha=0.7)
    x = add("SkipSimplifiedLayerNormalization", inner, x, scale())
    parts = [net.add("MatMul", x, net.random_weights(32, 32)) for _ in range(3)]
    y = add("MultiHeadAttention", *parts, num_heads=4)
    y = add("FastGelu", add("QuickGelu", y), net.bias(32))
    return net, net.finish(add("SkipLayerNormalization", y, x, scale(), net.bias(32)))


def all_networks() -> list[tuple[Network, onnx.ModelProto]]:
    """Returns each network."""
    return [
        *models.all_networks(),
        recurrent("RNN", 1),
        recurrent("GRU", 3),
        recurrent("LSTM", 4),
        encoder(17),
        mobile(14),
        painter(13),
        sampler(16),
        chooser(14),
        contributed(),
    ]
