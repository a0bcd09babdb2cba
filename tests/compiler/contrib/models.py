# SPDX-License-Identifier: Apache-2.0
"""Three small networks as ONNX Runtime's optimizer and quantizers write them.

Each file that they write is a case, with the outputs that ONNX Runtime computes with it.
"""

import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)
from writer import folder_argument, save, session

EXACT = (1e-3, 1e-4, 0)
# A value beside the middle of two quantization steps may be rounded to the other one, which moves
# single results of a deep network.
QUANTIZED = (1e-1, 2e-1, 0)
EXTENDED = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


class Network:
    """A graph that grows by nodes."""

    def __init__(self):
        self.random = np.random.default_rng(3)
        self.nodes, self.weights = [], []

    def weight(self, value):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def random_weight(self, *shape, mean=0.0):
        return self.weight((mean + 0.2 * self.random.standard_normal(shape)).astype(np.float32))

    def node(self, operator, *inputs, outputs=1, **attributes):
        name = f"{operator}_{len(self.nodes)}"
        names = [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def model(self, inputs, result, shape):
        kinds = {np.dtype(np.int64): TensorProto.INT64, np.dtype(np.float32): TensorProto.FLOAT}
        described = [
            helper.make_tensor_value_info(k, kinds[v.dtype], v.shape) for k, v in inputs.items()
        ]
        self.nodes.append(helper.make_node("Identity", [result], ["result"], name="result"))
        results = [helper.make_tensor_value_info("result", TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, "network", described, results, self.weights)
        opsets = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9), inputs


def encoder(layers=2, batch=2, length=8, hidden=32, heads=4):
    """A text encoder with a mask."""
    n = Network()

    def integers(*values):
        return n.weight(np.array(values, np.int64))

    def norm(x):
        scale, shift = n.random_weight(hidden, mean=1), n.random_weight(hidden)
        return n.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)

    def linear(x, rows, columns):
        product = n.node("MatMul", x, n.random_weight(rows, columns))
        return n.node("Add", product, n.random_weight(columns))

    def split(x, order):
        shape = integers(0, 0, heads, hidden // heads)
        return n.node("Transpose", n.node("Reshape", x, shape), perm=order)

    words = n.node("Gather", n.random_weight(50, hidden), "input_ids")
    positions = n.node("Gather", n.random_weight(16, hidden), integers(*range(length)))
    x = norm(n.node("Add", words, positions))
    mask = n.node("Unsqueeze", n.node("Unsqueeze", "mask", integers(1)), integers(2))
    mask = n.node("Sub", n.weight(np.float32(1)), n.node("Cast", mask, to=TensorProto.FLOAT))
    mask = n.node("Mul", mask, n.weight(np.float32(-10000)))
    for _ in range(layers):
        q = split(linear(x, hidden, hidden), [0, 2, 1, 3])
        k = split(linear(x, hidden, hidden), [0, 2, 3, 1])
        v = split(linear(x, hidden, hidden), [0, 2, 1, 3])
        root = n.weight(np.float32((hidden / heads) ** 0.5))
        scores = n.node("Add", n.node("Div", n.node("MatMul", q, k), root), mask)
        y = n.node("MatMul", n.node("Softmax", scores, axis=-1), v)
        y = n.node("Transpose", y, perm=[0, 2, 1, 3])
        y = linear(n.node("Reshape", y, integers(0, 0, hidden)), hidden, hidden)
        x = norm(n.node("Add", y, x))
        y = linear(x, hidden, 4 * hidden)
        error = n.node("Erf", n.node("Div", y, n.weight(np.float32(2**0.5))))
        gate = n.node("Add", error, n.weight(np.float32(1)))
        y = n.node("Mul", n.node("Mul", y, gate), n.weight(np.float32(0.5)))
        x = norm(n.node("Add", linear(y, 4 * hidden, hidden), x))
    ids = n.random.integers(0, 50, (batch, length))
    ones = np.ones((batch, length), np.int64)
    ones[1, 5:] = 0
    return n.model({"input_ids": ids, "mask": ones}, x, [batch, length, hidden])


def images():
    """A network of convolutions with residuals, gates and pools."""
    n = Network()

    def conv(x, channels, results, kernel, activation=None, groups=1, **attributes):
        weights = n.random_weight(results, channels // groups, kernel, kernel)
        pads = [kernel // 2] * 4
        y = n.node("Conv", x, weights, n.random_weight(results), pads=pads, group=groups)
        statistics = [n.random_weight(results, mean=m) for m in (1, 0, 0, 2)]
        y = n.node("BatchNormalization", y, *statistics)
        return n.node(activation, y, **attributes) if activation else y

    x = conv("image", 3, 16, 3, "Relu")
    residual = conv(conv(x, 16, 16, 3, "LeakyRelu", alpha=0.1), 16, 16, 3)
    x = n.node("Relu", n.node("Add", x, residual))
    x = n.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = n.node("Mul", x, conv(x, 16, 16, 1, "Sigmoid"))
    x = n.node("Concat", x, conv(x, 16, 16, 3, "Relu", groups=16), axis=1)
    x = n.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = n.node("Clip", conv(x, 32, 32, 3), n.weight(np.float32(0)), n.weight(np.float32(6)))
    x = n.node("Flatten", n.node("GlobalAveragePool", conv(x, 32, 32, 3, "Tanh")))
    x = n.node("Gemm", x, n.random_weight(10, 32), n.random_weight(10), transB=1)
    x = n.node("Gemm", n.node("Relu", x), n.random_weight(10, 10), n.random_weight(10), transB=1)
    image = n.random.standard_normal((1, 3, 16, 16)).astype(np.float32)
    return n.model({"image": image}, n.node("Softmax", x, axis=-1), [1, 10])


def sequences():
    """An LSTM of both directions and a dense layer."""
    n = Network()
    weights = [n.random_weight(2, 32, width) for width in (6, 8)] + [n.random_weight(2, 64)]
    lstm = {"hidden_size": 8, "direction": "bidirectional", "outputs": 3}
    _, last, _ = n.node("LSTM", "x", *weights, **lstm)
    x = n.node("Transpose", last, perm=[1, 0, 2])
    x = n.node("Reshape", x, n.weight(np.array([0, -1], np.int64)))
    x = n.node("Gemm", x, n.random_weight(16, 4), n.random_weight(4))
    steps = n.random.standard_normal((5, 2, 6)).astype(np.float32)
    return n.model({"x": steps}, x, [2, 4])


class Samples(CalibrationDataReader):
    def __init__(self, inputs):
        self.left = [inputs] * 2

    def get_next(self):
        return self.left.pop() if self.left else None


def variants(file, inputs, text):
    """Writes the files that the quantizers make of one, and yields them."""

    def named(*parts):
        return file.with_stem("_".join((file.stem, *map(str, parts))))

    kinds = {"i8": QuantType.QInt8, "u8": QuantType.QUInt8}
    for (name, kind), columns in product(kinds.items(), (False, True)):
        target = named("dynamic", name, "columns" if columns else "one")
        quantize_dynamic(file, target, weight_type=kind, per_channel=columns)
        yield target
    for form, (a, b) in product(QuantFormat, (("u8", "i8"), ("i8", "i8"), ("u8", "u8"))):
        for columns in (False, True):
            target = named(form.name, a, b, "columns" if columns else "one")
            options = {"activation_type": kinds[a], "weight_type": kinds[b]}
            options |= {"quant_format": form, "per_channel": columns}
            quantize_static(file, target, Samples(inputs), **options)
            yield target
    if text:
        for symmetric in (False, True):
            config = DefaultWeightOnlyQuantConfig(32, is_symmetric=symmetric, bits=4)
            quantizer = MatMulNBitsQuantizer(onnx.load(file), algo_config=config)
            quantizer.process()
            target = named("nbits", "symmetric" if symmetric else "points")
            quantizer.model.save_model_to_file(str(target))
            yield target
        bnb4 = MatMulBnb4Quantizer(onnx.load(file), MatMulBnb4Quantizer.NF4, 64)
        bnb4.process()
        target = named("bnb4")
        bnb4.model.save_model_to_file(str(target))
        yield target


def main():
    folder = Path(folder_argument())

    def case(file, inputs, tolerance):
        model = onnx.load(file)
        given = [inputs[i.name] for i in model.graph.input]
        expected = session(model.SerializeToString()).run(None, inputs)
        save(folder / file.stem, model, given, expected, tolerance)

    with tempfile.TemporaryDirectory() as work:
        for name, network in (("text", encoder), ("image", images), ("sequence", sequences)):
            model, inputs = network()
            plain = Path(work, f"{name}.onnx")
            onnx.save(model, plain)
            fused = Path(work, f"{name}_optimized.onnx")
            session(plain, EXTENDED, fused)
            case(fused, inputs, EXACT)
            for file in variants(plain, inputs, name == "text"):
                case(file, inputs, QUANTIZED)
                fused = file.with_stem(file.stem + "_optimized")
                session(file, EXTENDED, fused)
                case(fused, inputs, QUANTIZED)


main()
