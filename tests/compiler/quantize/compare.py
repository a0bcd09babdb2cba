# SPDX-License-Identifier: Apache-2.0
"""Compares accelctl quantize with ONNX Runtime's quantizer, over many models.

ONNX Runtime runs every quantized file with its default options, and so with all its
optimizations. The calibration data is the same for both; the signal-to-noise ratios are those of
other inputs, against the f32 model in ONNX Runtime. The table is Markdown. Ends with status 1 if a
file of accelctl does not run, or is more than `ALLOWED` dB behind.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import onnx
import onnxruntime
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

Array = np.ndarray[Any, Any]

ALLOWED = 3.0
CALIBRATION_RUNS = 16
OTHER_RUNS = 8


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Hands the calibration data to ONNX Runtime's quantizer."""

    def __init__(self, name: str, runs: list[Array]) -> None:
        self.rows: Iterator[dict[str, Array]] = iter([{name: run} for run in runs])

    def get_next(self) -> dict[str, Array] | None:
        """Returns the inputs of the next run."""
        return next(self.rows, None)


def decibels(expected: list[Array], got: list[Array]) -> float:
    """Returns the power of the signal by that of the difference."""
    signal = sum(float((e.astype(np.float64) ** 2).sum()) for e in expected)
    pairs = zip(expected, got, strict=True)
    noise = sum(float(((e.astype(np.float64) - g) ** 2).sum()) for e, g in pairs)
    return float("inf") if noise == 0 else 10 * float(np.log10(signal / noise))


def run_onnxruntime(file: Path, runs: list[Array]) -> list[Array]:
    """Returns the first output of each run, with the defaults of ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: run})[0] for run in runs]


class Comparison:
    """The models, and where their files are."""

    def __init__(self, accelctl: Path, folder: Path) -> None:
        self.accelctl = accelctl
        self.folder = folder
        self.failed = False
        folder.mkdir(parents=True, exist_ok=True)

    def quantize(self, file: Path, runs: list[Array], weights: str) -> Path:
        """Quantizes a model with accelctl."""
        data = self.folder / "calibration.npy"
        np.save(data, np.concatenate([run[None] for run in runs]))
        made = file.with_suffix(f".{weights}.onnx")
        command = [self.accelctl, "quantize", "--device", "emulated", file, "--json"]
        command += ["--calibrate", data, "--weights", weights, "-o", made]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        json.loads(done.stdout)
        return made

    def run_on_card(self, file: Path, runs: list[Array]) -> list[Array]:
        """Returns the first output of each run on the emulated card."""
        results = []
        given, made = self.folder / "given.npy", self.folder / "made.npy"
        for run in runs:
            np.save(given, run)
            command = [self.accelctl, "run", "--device", "emulated", file]
            command += ["--input", given, "-o", made]
            subprocess.run(command, check=True, capture_output=True)
            results.append(np.load(made))
        return results

    def peer(
        self,
        file: Path,
        opset: int,
        calibration: list[Array],
        other: list[Array],
        expected: list[Array],
    ) -> float | None:
        """Returns the ratio of ONNX Runtime's quantizer, which needs opset 13; None: it fails."""
        source, made = file.with_suffix(".13.onnx"), file.with_suffix(".peer.onnx")
        try:
            model = onnx.load(file)
            onnx.save(model if opset > 12 else version_converter.convert_version(model, 13), source)
            reader = Reader(onnxruntime.InferenceSession(file).get_inputs()[0].name, calibration)
            quantize_static(
                source, made, reader, activation_type=QuantType.QUInt8, per_channel=True
            )
            return decibels(expected, run_onnxruntime(made, other))
        except Exception as error:  # whatever a part of another project throws
            print(f"{file.name}: {error}", file=sys.stderr)
            return None

    def row(self, name: str, file: Path, calibration: list[Array], other: list[Array]) -> None:
        """Prints a row of the table."""
        opset = onnx.load(file).opset_import[0].version
        expected = run_onnxruntime(file, other)
        cells = []
        for weights in ("i8", "i4"):
            if weights == "i4" and not name.startswith("transformer"):
                cells.append("")
                continue
            made = self.quantize(file, calibration, weights)
            here = decibels(expected, self.run_on_card(made, other))
            there = decibels(expected, run_onnxruntime(made, other))
            cells += [f"{there:.1f}", f"{here:.1f}"] if weights == "i8" else [f"{there:.1f}"]
        best = self.peer(file, opset, calibration, other, expected)
        behind = best is not None and float(cells[0]) < best - ALLOWED
        self.failed = self.failed or behind
        mark = " (behind)" if behind else ""
        peer = "does not run" if best is None else f"{best:.1f}"
        print(f"| {name} | {opset} | {cells[0]}{mark} | {cells[1]} | {peer} | {cells[2]} |")
        sys.stdout.flush()


def runs_of(file: Path, shape: list[int]) -> list[Array]:
    """Returns inputs: the pictures of a file of MNIST's format, or variants of one of raw f32."""
    if file.suffix == ".gz":
        with gzip.open(file) as stream:
            pixels = np.frombuffer(stream.read(96 * 784 + 16), np.uint8)[16:]
        return list(pixels.reshape([-1, *shape]).astype(np.float32) / 255)
    picture = np.fromfile(file, np.float32).reshape(shape)
    turned = [picture, picture[:, ::-1], picture[:, :, ::-1], np.roll(picture, 17, 1)]
    return [np.ascontiguousarray(x * scale) for scale in (1, 0.9, 0.8, 0.7) for x in turned]


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("accelctl", type=Path)
    parser.add_argument("folder", type=Path, help="for the files")
    parser.add_argument("more", nargs="*", help="NAME=MODEL,INPUT: other models")
    options = parser.parse_args()
    comparison = Comparison(options.accelctl, options.folder)
    print("| model | opset | in ONNX Runtime | on the card | ONNX Runtime's quantizer | i4 |")
    print("|---|---|---|---|---|---|")
    for net, model in models.all_networks():
        file = options.folder / f"{net.name}.onnx"
        onnx.save(model, file)
        calibration = net.inputs(CALIBRATION_RUNS, seed=1)
        comparison.row(net.name, file, calibration, net.inputs(OTHER_RUNS, seed=2))
    for more in options.more:
        name, _, files = more.partition("=")
        model_file, _, data = files.partition(",")
        file = options.folder / f"{name}.onnx"
        file.write_bytes(Path(model_file).read_bytes())
        dims = onnx.load(file).graph.input[0].type.tensor_type.shape.dim
        runs = runs_of(Path(data), [dim.dim_value or 1 for dim in dims])
        comparison.row(name, file, runs[::3] + runs[1::3], runs[2::3])
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    sys.exit(main())
