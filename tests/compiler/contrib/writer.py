# SPDX-License-Identifier: Apache-2.0
"""Writes models of one node as ONNX's own tests have them: model.onnx, inputs and outputs.

The outputs are those of ONNX Runtime with one thread: some of its results depend on the number of
threads. The file `tolerance` of a case holds the relative and the absolute difference of real
numbers and the difference of integers that a result may have.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

CLOSE = (1e-3, 1e-5, 0)  # f32
SUMS = (1e-3, 1e-4, 0)  # f32, behind products
HALF = (5e-3, 5e-3, 0)  # f16
STEP = (1e-4, 1e-4, 1)  # one quantization step


def save(folder, model, inputs, outputs, tolerance):
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for i, array in enumerate(arrays):
            tensor = numpy_helper.from_array(np.asarray(array))
            (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())
    (folder / "tolerance").write_text(" ".join(map(str, tolerance)) + "\n")


def session(model, level=onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, saved=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = level
    if saved is not None:
        options.optimized_model_filepath = str(saved)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Writer:
    """Cases in a folder. The same numbers are drawn each time."""

    def __init__(self, folder, seed):
        self.folder = Path(folder)
        self.random = np.random.default_rng(seed)

    def f32(self, *shape):
        return self.random.standard_normal(shape).astype(np.float32)

    def f16(self, *shape):
        return self.f32(*shape).astype(np.float16)

    def u8(self, *shape):
        return self.random.integers(0, 256, shape).astype(np.uint8)

    def i8(self, *shape):
        return self.random.integers(-128, 128, shape).astype(np.int8)

    def i32(self, low, high, *shape):
        return self.random.integers(low, high, shape).astype(np.int32)

    def bits(self, *shape):
        return self.i32(0, 2, *shape)

    def scale(self, *shape, low=0.01, high=0.05):
        return self.random.uniform(low, high, shape).astype(np.float32)

    def case(
        self,
        name,
        operator,
        inputs,
        attributes=None,
        *,
        outputs=1,
        weights=(),
        tolerance=CLOSE,
        domain="com.microsoft",
        expected=None,
    ):
        """Writes a model of one node. An input that is None is absent; those whose numbers are in
        `weights` are constants. `outputs` is a number, or a list in which "" is an absent one.
        `expected` holds the outputs of an operator that ONNX Runtime has for GPUs only."""
        while inputs[-1] is None:
            inputs = inputs[:-1]
        present = {f"x{i}": np.asarray(x) for i, x in enumerate(inputs) if x is not None}
        constants = {f"x{i}" for i in weights}
        fed = {k: v for k, v in present.items() if k not in constants}
        names = outputs if isinstance(outputs, list) else [f"y{i}" for i in range(outputs)]
        node = helper.make_node(
            operator,
            [f"x{i}" if f"x{i}" in present else "" for i in range(len(inputs))],
            names,
            name=name,
            domain=domain,
            **(attributes or {}),
        )
        results = [onnx.ValueInfoProto(name=y) for y in names if y]
        graph = helper.make_graph(
            [node],
            name,
            [described(k, v) for k, v in fed.items()],
            results,
            [numpy_helper.from_array(v, k) for k, v in present.items() if k in constants],
        )
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        if expected is None:
            expected = session(model.SerializeToString()).run(None, fed)
        for result, value in zip(results, expected, strict=True):
            result.CopyFrom(described(result.name, value))
        del model.graph.output[:]
        model.graph.output.extend(results)
        save(self.folder / name, model, fed.values(), expected, tolerance)
        return expected


def described(name, array):
    kind = helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype)
    return helper.make_tensor_value_info(name, kind, np.shape(array))


def folder_argument():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    return sys.argv[1]
