# SPDX-License-Identifier: Apache-2.0
"""Makes a model compute in f16: weights, constants, casts, inputs and outputs."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

# Inputs that are f32 whatever the type of the data: regions and scales.
F32_INPUTS = {"Resize": (1, 2), "Upsample": (1,)}


def f32_names(graph: onnx.GraphProto) -> set[str]:
    """Returns the names of values that stay f32: such inputs, and what they are computed from."""
    names = set()
    for node in reversed(graph.node):
        if names.intersection(node.output) and node.op_type != "Cast":
            names.update(node.input)
        names.update(node.input[i] for i in F32_INPUTS.get(node.op_type, ()) if i < len(node.input))
    return names - {""}


def narrow(tensor: TensorProto) -> None:
    """Rounds a tensor of f32."""
    if tensor.data_type == TensorProto.FLOAT:
        largest = np.finfo(np.float16).max
        values = np.clip(numpy_helper.to_array(tensor), -largest, largest)
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))


def narrow_value(value: onnx.ValueInfoProto) -> None:
    """Changes the type of an input or an output."""
    if value.type.tensor_type.elem_type == TensorProto.FLOAT:
        value.type.tensor_type.elem_type = TensorProto.FLOAT16


def narrow_node(node: onnx.NodeProto, kept: set[str]) -> None:
    """Changes the types that the attributes of a node name, and its inner graphs."""
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
        node.attribute.append(helper.make_attribute("value", zero))
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            narrow_graph(attribute.g)
        elif attribute.type == AttributeProto.TENSOR and node.output[0] not in kept:
            narrow(attribute.t)
        elif (
            attribute.name in ("to", "dtype")
            and attribute.i == TensorProto.FLOAT
            and node.output[0] not in kept
        ):
            attribute.i = TensorProto.FLOAT16


def narrow_graph(graph: onnx.GraphProto) -> None:
    """Changes a graph in place."""
    kept = f32_names(graph)
    for tensor in graph.initializer:
        if tensor.name not in kept:
            narrow(tensor)
    for node in graph.node:
        narrow_node(node, kept)
    for value in (*graph.input, *graph.output):
        if value.name not in kept:
            narrow_value(value)
    del graph.value_info[:]


def to_f16(model: onnx.ModelProto, f32_border: bool) -> onnx.ModelProto:
    """Returns the model in f16. `f32_border`: its inputs and outputs stay f32, with a Cast each."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    narrow_graph(graph)
    if not f32_border:
        return made
    weights = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16 and value.name not in weights:
            inner = value.name + "_f16"
            for node in graph.node:
                node.input[:] = [inner if name == value.name else name for name in node.input]
            cast = helper.make_node("Cast", [value.name], [inner], to=TensorProto.FLOAT16)
            graph.node.insert(0, cast)
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for value in graph.output:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            inner = value.name + "_f16"
            for node in graph.node:
                node.input[:] = [inner if name == value.name else name for name in node.input]
                node.output[:] = [inner if name == value.name else name for name in node.output]
            graph.node.append(helper.make_node("Cast", [inner], [value.name], to=TensorProto.FLOAT))
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    return made
