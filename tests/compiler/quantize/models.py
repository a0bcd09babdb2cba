# SPDX-License-Identifier: Apache-2.0
"""Small f32 networks of the kinds that are quantized, at opsets 9 to 21, and inputs for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]


class Network:
    """Builds a model: nodes in order, with weights of random numbers."""

    def __init__(self, name: str, opset: int, shape: list[int]) -> None:
        self.name = name
        self.opset = opset
        self.shape = shape
        self.random = np.random.default_rng(sum(name.encode()))
        self.domains: list[str] = []  # beside that of ONNX
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, values: Array) -> str:
        """Adds a constant tensor, and returns its name."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def random_weights(self, *shape: int, scale: float = 1.5) -> str:
        """Adds weights that keep the variance of activations, some channels larger than others."""
        inputs = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
        channels = self.random.uniform(0.3, 2.0, (shape[0],) + (1,) * (len(shape) - 1))
        values = self.random.standard_normal(shape) * channels * np.sqrt(scale / inputs)
        return self.constant(values.astype(np.float32))

    def bias(self, count: int) -> str:
        """Adds a bias."""
        return self.constant(self.random.normal(0, 0.1, count).astype(np.float32))

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node, and returns the name of its output."""
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, list(inputs), [output], name=f"n{output}", **attributes)
        )
        return output

    def conv(self, x: str, given: int, made: int, side: int = 3, stride: int = 1) -> str:
        """Adds a convolution with a bias that keeps the size of the image, or halves it."""
        weights = self.random_weights(made, given, side, side)
        pads = [side // 2] * 4
        return self.add("Conv", x, weights, self.bias(made), pads=pads, strides=[stride, stride])

    def normalized(self, x: str, channels: int) -> str:
        """Adds a batch normalization."""
        scale = self.constant(self.random.uniform(0.5, 1.5, channels).astype(np.float32))
        variance = self.constant(self.random.uniform(0.5, 2, channels).astype(np.float32))
        mean = self.bias(channels)
        return self.add("BatchNormalization", x, scale, self.bias(channels), mean, variance)

    def classes(self, x: str, features: int, count: int) -> str:
        """Adds the average of each channel, and a product with a softmax behind it."""
        flat = self.add("Flatten", self.add("GlobalAveragePool", x))
        # So that a softmax has no class that is certain.
        weights = self.random_weights(count, features, scale=0.05)
        logits = self.add("Gemm", flat, weights, self.bias(count), transB=1)
        return self.add("Softmax", logits, axis=1)

    def finish(self, output: str) -> onnx.ModelProto:
        """Returns the model."""
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.weights,
        )
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid(domain, 1) for domain in self.domains]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        return onnx.shape_inference.infer_shapes(model)

    def inputs(self, count: int, seed: int) -> list[Array]:
        """Returns smooth random inputs: neighbors are alike, as in pictures."""
        random = np.random.default_rng(seed)
        made = []
        for _ in range(count):
            x = random.standard_normal(self.shape)
            for axis in range(2, len(self.shape)):
                x = x + np.roll(x, 1, axis) + np.roll(x, 2, axis)
            made.append((x / max(x.std(), 1e-6)).astype(np.float32))
        return made


def perceptron(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Three products."""
    net = Network(f"perceptron-{opset}", opset, [1, 128])
    x = "x"
    for given, made in ((128, 96), (96, 64)):
        weights = net.random_weights(made, given)
        x = net.add("Relu", net.add("Gemm", x, weights, net.bias(made), transB=1))
    x = net.add("MatMul", x, net.random_weights(64, 10))
    return net, net.finish(net.add("Softmax", x, axis=1))


def classifier(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Convolutions with normalizations and pools."""
    net = Network(f"classifier-{opset}", opset, [1, 3, 32, 32])
    x = net.add("Relu", net.normalized(net.conv("x", 3, 16), 16))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Relu", net.normalized(net.conv(x, 16, 32), 32))
    x = net.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("LeakyRelu", net.conv(x, 32, 32), alpha=0.1)
    return net, net.finish(net.classes(x, 32, 10))


def residual(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Blocks with additions."""
    net = Network(f"residual-{opset}", opset, [1, 3, 32, 32])
    x = net.add("Relu", net.conv("x", 3, 24))
    for _ in range(3):
        inner = net.add("Relu", net.conv(x, 24, 24))
        x = net.add("Relu", net.add("Add", net.conv(inner, 24, 24), x))
    return net, net.finish(net.classes(x, 24, 10))


def branches(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Blocks of several branches, which Concat joins."""
    net = Network(f"branches-{opset}", opset, [1, 3, 32, 32])
    x = net.add("Relu", net.conv("x", 3, 16))
    for _ in range(2):
        one = net.add("Relu", net.conv(x, 16, 8, side=1))
        two = net.add("Relu", net.conv(x, 16, 8))
        three = net.add("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        x = net.add("Concat", one, two, three, axis=1)
        x = net.add("Relu", net.conv(x, 32, 16, side=1))
    return net, net.finish(net.classes(x, 16, 10))


def decoder(opset: int) -> tuple[Network, onnx.ModelProto]:
    """A picture that becomes smaller and larger again."""
    net = Network(f"decoder-{opset}", opset, [1, 3, 32, 32])
    large = net.add("Relu", net.conv("x", 3, 16))
    small = net.add("Relu", net.conv(large, 16, 32, stride=2))
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    if opset < 10:
        again = net.add("Upsample", small, scales, mode="nearest")
    elif opset < 11:
        again = net.add("Resize", small, scales, mode="nearest")
    else:
        region = net.constant(np.zeros(0, np.float32))
        again = net.add("Resize", small, region, scales, mode="nearest")
    x = net.add("Concat", large, again, axis=1)
    x = net.add("Relu", net.conv(x, 48, 16))
    return net, net.finish(net.conv(x, 16, 3, side=1))


def gates(opset: int) -> tuple[Network, onnx.ModelProto]:
    """Channels that a sigmoid weighs, and values that a clip bounds."""
    net = Network(f"gates-{opset}", opset, [1, 3, 32, 32])
    if opset < 11:
        x = net.add("Clip", net.conv("x", 3, 16), min=0.0, max=6.0)
    else:
        bounds = [net.constant(np.array(v, np.float32)) for v in (0, 6)]
        x = net.add("Clip", net.conv("x", 3, 16), *bounds)
    weight = net.conv(net.add("GlobalAveragePool", x), 16, 8, side=1)
    weight = net.conv(net.add("Relu", weight), 8, 16, side=1)
    x = net.add("Mul", x, net.add("Sigmoid", weight))
    return net, net.finish(net.classes(net.conv(x, 16, 24, side=1), 24, 10))


def transformer(opset: int) -> tuple[Network, onnx.ModelProto]:
    """An attention with a perceptron behind it."""
    net = Network(f"transformer-{opset}", opset, [1, 32, 64])
    x = "x"
    parts = [net.add("MatMul", x, net.random_weights(64, 64)) for _ in range(3)]
    turned = net.add("Transpose", parts[1], perm=[0, 2, 1])
    scores = net.add("MatMul", parts[0], turned)
    scores = net.add("Mul", scores, net.constant(np.array(0.125, np.float32)))
    mixed = net.add("MatMul", net.add("Softmax", scores, axis=-1 if opset > 12 else 2), parts[2])
    x = net.add("Add", x, net.add("MatMul", mixed, net.random_weights(64, 64)))
    inner = net.add("Relu", net.add("MatMul", x, net.random_weights(64, 256)))
    x = net.add("Add", x, net.add("MatMul", inner, net.random_weights(256, 64)))
    return net, net.finish(x)


def all_networks() -> list[tuple[Network, onnx.ModelProto]]:
    """Returns each network, at two opsets or more."""
    made = []
    for build, opsets in (
        (perceptron, (9, 13)),
        (classifier, (9, 10, 12, 17)),
        (residual, (10, 11, 21)),
        (branches, (9, 11, 13)),
        (decoder, (9, 10, 11, 13)),
        (gates, (10, 12, 17)),
        (transformer, (12, 13, 21)),
    ):
        made += [build(opset) for opset in opsets]
    return made
