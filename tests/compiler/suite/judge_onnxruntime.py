# SPDX-License-Identifier: Apache-2.0
"""Judges the models of ONNX's operator suite on the CPU provider of ONNX Runtime.

    judge_onnxruntime.py FOLDER

It writes one line of JSON for each model, as the program onnx-suite does: "name", "outcome"
(`passed`, `loosely`, `refused` or `wrong`) and "detail". A model that ends the interpreter counts
as wrong: a process of its own judges the models, and the next one continues behind it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, TypeProto, numpy_helper

# Types of fewer than eight bits, which no array has: their inputs become weights of the model.
PACKED = {
    TensorProto.UINT4,
    TensorProto.INT4,
    TensorProto.FLOAT4E2M1,
    TensorProto.UINT2,
    TensorProto.INT2,
}
RELATIVE = 1e-3
STRICT = 1e-7
LOOSE = 1e-5


def load(path: Path, kind: TypeProto) -> Any:
    """An input or an output, as numpy or as a list of numpy."""
    data = path.read_bytes()
    if kind.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(TensorProto.FromString(data))


def load_all(folder: Path, name: str, infos: Any) -> list[Any]:
    paths = [folder / f"{name}_{number}.pb" for number in range(len(infos))]
    return [load(p, info.type) for p, info in zip(paths, infos, strict=True) if p.exists()]


def feed_value(value: Any, info: onnx.ValueInfoProto) -> Any:
    """What the runtime takes: numpy has no bf16 and no type of fewer bits."""
    if not isinstance(value, numpy.ndarray) or value.dtype.kind != "V":
        return value
    bits = value.view(numpy.uint16 if value.dtype.itemsize == 2 else numpy.uint8)
    kind = info.type.tensor_type.elem_type
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, kind)


def run(session: Any, feed: dict[str, Any]) -> list[Any]:
    if not any(isinstance(v, onnxruntime.OrtValue) for v in feed.values()):
        return list(session.run(None, feed))
    values = {
        name: v
        if isinstance(v, onnxruntime.OrtValue)
        else onnxruntime.OrtValue.ortvalue_from_numpy(v)
        for name, v in feed.items()
    }
    outputs = session.run_with_ort_values([o.name for o in session.get_outputs()], values)
    return [value.numpy() for value in outputs]


def difference(got: Any, expected: Any, absolute: float) -> str:
    """Empty if they agree."""
    if isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return "not a sequence of the same length"
        texts = [difference(g, e, absolute) for g, e in zip(got, expected, strict=True)]
        return next((text for text in texts if text), "")
    if expected is None or got is None:
        return "" if got is expected else "one of them is empty"
    got, expected = numpy.asarray(got), numpy.asarray(expected)
    if got.shape != expected.shape:
        return f"shape {got.shape}, expected {expected.shape}"
    if expected.dtype.kind in "OSUT" or got.dtype.kind in "OSUT":
        return "" if got.astype(str).tolist() == expected.astype(str).tolist() else "texts differ"
    if expected.dtype.kind == "V" and got.dtype != expected.dtype:
        got = got.view(expected.dtype) if got.dtype.kind == "u" else got.astype(expected.dtype)
    if got.dtype != expected.dtype:
        return f"{got.dtype}, expected {expected.dtype}"
    if expected.dtype.kind in "biu":
        return "" if numpy.array_equal(got, expected) else "integers differ"
    wide = numpy.complex128 if expected.dtype.kind == "c" else numpy.float64
    a, b = got.astype(wide), expected.astype(wide)
    with numpy.errstate(all="ignore"):
        # As ONNX's own runner: two units in the last place of bf16.
        relative = 2**-6 if expected.dtype.name == "bfloat16" else RELATIVE
        close = numpy.isclose(a, b, rtol=relative, atol=absolute, equal_nan=True)
    wrong = numpy.argwhere(~close)
    if len(wrong) == 0:
        return ""
    place = tuple(wrong[0])
    return f"element {list(map(int, place))} is {a[place]}, expected {b[place]}"


def start(model: onnx.ModelProto, packed: dict[str, Path]) -> Any:
    """A session for the model, with the inputs of these files as weights."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    changed = onnx.ModelProto.FromString(model.SerializeToString())
    for info in model.graph.input:
        if info.name in packed:
            changed.graph.input.remove(info)
            tensor = TensorProto.FromString(packed[info.name].read_bytes())
            tensor.name = info.name
            changed.graph.initializer.append(tensor)
    return onnxruntime.InferenceSession(
        changed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def judge(folder: Path) -> tuple[str, str]:
    model = onnx.load(folder / "model.onnx")
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    distance = ""
    try:
        for data in sorted(folder.glob("test_data_set_*")):
            values = load_all(data, "input", inputs)
            packed = {
                info.name: data / f"input_{number}.pb"
                for number, info in enumerate(inputs)
                if info.type.tensor_type.elem_type in PACKED
            }
            feed = {
                info.name: feed_value(value, info)
                for info, value in zip(inputs, values, strict=False)
                if info.name not in packed
            }
            got = run(start(model, packed), feed)
            expected = load_all(data, "output", model.graph.output)
            for number, (g, e) in enumerate(zip(got, expected, strict=False)):
                text = difference(g, e, LOOSE)
                if text:
                    return "wrong", f"output {number}: {text}"
                distance = distance or difference(g, e, STRICT)
    except Exception as error:
        return "refused", (str(error).splitlines() or [repr(error)])[0]
    return ("loosely", distance) if distance else ("passed", "")


def work(models: list[Path]) -> None:
    for folder in models:
        outcome, detail = judge(folder)
        name = f"{folder.parent.name}/{folder.name}"
        print(json.dumps({"name": name, "outcome": outcome, "detail": detail}), flush=True)


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    models = sorted(path.parent for path in Path(sys.argv[1]).rglob("model.onnx"))
    if len(sys.argv) == 3:
        work(models[int(sys.argv[2]) :])
        return
    done = 0
    while done < len(models):
        command = [sys.executable, __file__, sys.argv[1], str(done)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                print(line, end="", flush=True)
                done += 1
        if done < len(models):
            folder = models[done]
            name = f"{folder.parent.name}/{folder.name}"
            detail = f"the interpreter ended with {child.returncode}"
            print(json.dumps({"name": name, "outcome": "wrong", "detail": detail}), flush=True)
            done += 1


if __name__ == "__main__":
    main()
