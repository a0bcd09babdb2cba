# SPDX-License-Identifier: Apache-2.0
"""Writes f16 models, their inputs, the outputs of the f32 models, and ONNX Runtime's distance.

Each case is a folder: model.onnx, data sets as ONNX's own tests have them, and the file `decibels`:
the signal-to-noise ratios of ONNX Runtime's run of the f16 model, relative to its run of the f32
model. The first is that of its default options. For the second it does not merge normalizations
into the weights of convolutions, because it rounds the merged weights to f16 anew.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "quantize"))

import convert
import networks
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

Array = np.ndarray[Any, Any]
Run = dict[str, Array]

MERGING = ["ConvBNFusion", "ConvAddFusion", "ConvMulFusion"]
RUNS = 4


def session(
    model: onnx.ModelProto, disabled: list[str], saved: Path | None = None
) -> onnxruntime.InferenceSession:
    """Loads a model; `saved` is a file for the optimized model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if saved is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(saved)
    return onnxruntime.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=disabled,
    )


def typed(loaded: onnxruntime.InferenceSession, run: Run) -> Run:
    """Returns inputs in the types that a model takes."""
    types = {"tensor(float16)": np.float16, "tensor(float)": np.float32}
    return {
        value.name: run[value.name].astype(types.get(value.type, run[value.name].dtype))
        for value in loaded.get_inputs()
    }


def results(model: onnx.ModelProto, runs: list[Run], disabled: list[str]) -> list[list[Array]]:
    """Returns the outputs of each run."""
    loaded = session(model, disabled)
    return [loaded.run(None, typed(loaded, run)) for run in runs]


def decibels(expected: list[list[Array]], got: list[list[Array]]) -> float:
    """Returns the power of the signal by that of the difference."""
    signal = noise = 0.0
    for row, other in zip(expected, got, strict=True):
        for e, g in zip(row, other, strict=True):
            signal += float((e.astype(np.float64) ** 2).sum())
            noise += float(((e.astype(np.float64) - g.astype(np.float64)) ** 2).sum())
    return 10 * float(np.log10(signal / noise))


def fix_shapes(model: onnx.ModelProto, run: Run) -> None:
    """Gives the inputs the shapes of a run."""
    for value in model.graph.input:
        if value.name in run:
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for length in run[value.name].shape:
                shape.dim.add().dim_value = length
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def write(folder: Path, name: str, model: onnx.ModelProto, runs: list[Run]) -> None:
    """Writes the two f16 forms of a model."""
    fix_shapes(model, runs[0])
    expected = results(model, runs, [])
    for form in ("f16", "f32-border"):
        half = convert.to_f16(model, form == "f32-border")
        ratios = [decibels(expected, results(half, runs, off)) for off in ([], MERGING)]
        case = folder / name / form
        case.mkdir(parents=True)
        onnx.save(half, case / "model.onnx")
        (case / "decibels").write_text("{:.2f} {:.2f}\n".format(*ratios))
        inputs = typed(session(half, []), runs[0]).keys()
        loaded = session(half, [])
        for i, (run, outputs) in enumerate(zip(runs, expected, strict=True)):
            data = case / f"test_data_set_{i}"
            data.mkdir()
            arrays = typed(loaded, run)
            for kind, values in (("input", [arrays[key] for key in inputs]), ("output", outputs)):
                for k, array in enumerate(values):
                    tensor = numpy_helper.from_array(np.asarray(array))
                    (data / f"{kind}_{k}.pb").write_bytes(tensor.SerializeToString())


def optimized(model: onnx.ModelProto, file: Path) -> onnx.ModelProto:
    """Returns the model that ONNX Runtime's optimizer makes of one."""
    session(model, [], file)
    made = onnx.load(file)
    file.unlink()
    return made


def real_model(model: onnx.ModelProto, data: Path) -> list[Run]:
    """Returns inputs of a pretrained model: pictures in MNIST's format, or one of raw f32."""
    value = model.graph.input[0]
    shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
    if data.suffix == ".gz":
        with gzip.open(data) as stream:
            pixels = np.frombuffer(stream.read(RUNS * 784 + 16), np.uint8)[16:]
        pictures = pixels.reshape([RUNS, *shape]).astype(np.float32) / 255
        return [{value.name: picture} for picture in pictures]
    picture = np.fromfile(data, np.float32)
    if shape[1:3] == [3, 48]:  # a line of text, of any width
        shape[3] = picture.size // 144
    return [{value.name: picture.reshape(shape)}]


def main() -> None:
    """Writes all cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("more", nargs="*", help="NAME=MODEL,INPUT: pretrained models")
    options = parser.parse_args()
    for net, model in networks.all_networks():
        runs = [{"x": x} for x in net.inputs(RUNS, seed=2)]
        write(options.folder, net.name, model, runs)
        if net.name in ("encoder-17", "mobile-14", "painter-13"):
            merged = optimized(model, options.folder / "optimized.onnx")
            write(options.folder, f"{net.name}-optimized", merged, runs)
    for more in options.more:
        name, _, files = more.partition("=")
        file, _, data = files.partition(",")
        model = onnx.load(file)
        write(options.folder, name, model, real_model(model, Path(data)))


if __name__ == "__main__":
    main()
