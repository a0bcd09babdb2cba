# SPDX-License-Identifier: Apache-2.0
"""Makes the models that operators.txt describes, in the layout of ONNX's operator suite.

make.py DESCRIPTIONS FOLDER

DESCRIPTIONS explains its format. The inputs of a model have plain values; the test replaces those
whose names start with x.
"""

import re
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

DOMAINS = {"com.microsoft": 1, "ai.onnx.preview.training": 1}


def plain(value: onnx.ValueInfoProto, random: np.random.Generator) -> onnx.TensorProto:
    kind = value.type.tensor_type.elem_type
    shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    if kind == TensorProto.BOOL:
        numbers = random.integers(0, 2, shape).astype(bool)
    elif kind in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        numbers = random.uniform(-1, 1, shape)
    else:
        numbers = random.integers(0, 4, shape)
    return numpy_helper.from_array(
        numbers.astype(helper.tensor_dtype_to_np_dtype(kind)), value.name
    )


def make(text: str, opset: int) -> onnx.ModelProto:
    inputs, nodes = (part.strip() for part in text.split("->", 1))
    imports = ", ".join(f'"{name}" : {version}' for name, version in DOMAINS.items())
    head = f'<ir_version: 10, opset_import: ["" : {opset}, {imports}]>'
    model = parser.parse_model(f"{head} g ({inputs}) => () {{ {nodes} }}")
    # Inputs with values are weights.
    known = {weights.name for weights in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in known]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for node in model.graph.node:
        for name in node.output:
            if name.startswith("y"):
                model.graph.output.add().name = name
    return model


def save(folder: Path, model: onnx.ModelProto) -> None:
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    random = np.random.default_rng(7)
    for i, value in enumerate(model.graph.input):
        (data / f"input_{i}.pb").write_bytes(plain(value, random).SerializeToString())


def main() -> None:
    descriptions, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True)
    refused = []
    count = 0
    for number, line in enumerate(descriptions.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        names, opset, kinds, text = (part.strip() for part in line.split("|", 3))
        if text == "refused":
            refused.extend(names.split())
            continue
        for name in names.split():
            for kind in kinds.split():
                one = re.sub(r"\bT\b", kind, text.replace("$", name))
                try:
                    model = make(one, int(opset or onnx.defs.onnx_opset_version()))
                except parser.ParseError as error:
                    sys.exit(f"{descriptions}:{number}: {error}")
                save(folder / f"{count:04}_{name}_{kind}", model)
                count += 1
    (folder / "refused").write_text("\n".join(refused) + "\n")


main()
