# SPDX-License-Identifier: Apache-2.0
"""The memory that loading a model takes, and models from standard input."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import onnx_files as onnx
from machine import BUILD, TIMEOUT, ToolTest

WIDTH = 1024
BYTES = WIDTH * WIDTH * 4


def matrix(name: str, content: bytes = b"", external: tuple[str, int] | None = None) -> bytes:
    """A TensorProto of WIDTH x WIDTH f32."""
    head = onnx.tensor_head("f32", (WIDTH, WIDTH), name)
    if external is None:
        return head + onnx.raw_data(content)
    return head + onnx.external_data(external[0], external[1], BYTES)


class LoadingTest(ToolTest):
    def peak(self, model: Path) -> int:
        """The most memory, in bytes, of a process that loads and runs a model."""
        # A child begins with the peak of its parent, so its parent is not this program, which has
        # the weights, but a small one.
        program = (
            "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
            "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(BUILD / "tools/accelctl"), "run", str(model)]
            + ["--device", "emulated:memory=1G"],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(done.stdout.split()[-1]) * 1024  # KiB on Linux

    def write(
        self, name: str, weights: list[bytes], nodes: list[tuple[str, list[str], str]]
    ) -> Path:
        last = nodes[-1][2]
        shape = ("f32", (1, WIDTH))
        path = self.folder / name
        path.write_bytes(onnx.model(nodes, [("x", *shape)], [(last, *shape)], weights))
        return path


class Memory(LoadingTest):
    COUNT = 40

    def setUp(self) -> None:
        super().setUp()
        noise = random.Random(1)
        self.matrices = [noise.randbytes(BYTES // 64) * 64 for _ in range(self.COUNT)]
        nodes = [("Neg", ["x"], "y")]
        self.baseline = self.peak(self.write("small.onnx", [], nodes))

    def expect_bounded(self, model: Path) -> None:
        """The emulated card is in the process, so its memory has the weights of the card once."""
        used = self.peak(model) - self.baseline
        self.assertLess(used, 1.3 * self.COUNT * BYTES)
        self.assertGreater(used, 0.9 * self.COUNT * BYTES, "the card has the weights")

    def chain(self, operator: str) -> list[tuple[str, list[str], str]]:
        names = ["x"] + [f"y{i}" for i in range(self.COUNT)]
        return [
            (operator, [names[i], f"w{i}"] if operator == "MatMul" else [names[i]], names[i + 1])
            for i in range(self.COUNT)
        ]

    def test_weights_in_the_model_are_in_memory_once(self):
        weights = [matrix(f"w{i}", content) for i, content in enumerate(self.matrices)]
        self.expect_bounded(self.write("model.onnx", weights, self.chain("MatMul")))

    def test_folded_weights_are_in_memory_once(self):
        weights = [matrix(f"v{i}", content) for i, content in enumerate(self.matrices)]
        folds = [
            node
            for i in range(self.COUNT)
            for node in (("Transpose", [f"v{i}"], f"t{i}"), ("Neg", [f"t{i}"], f"w{i}"))
        ]
        self.expect_bounded(self.write("model.onnx", weights, folds + self.chain("MatMul")))

    def test_external_weights_are_in_memory_once(self):
        (self.folder / "weights.bin").write_bytes(b"".join(self.matrices))
        weights = [matrix(f"w{i}", external=("weights.bin", i * BYTES)) for i in range(self.COUNT)]
        self.expect_bounded(self.write("model.onnx", weights, self.chain("MatMul")))

    def test_a_compiled_model_is_in_memory_once(self):
        weights = [matrix(f"w{i}", content) for i, content in enumerate(self.matrices)]
        model = self.write("model.onnx", weights, self.chain("MatMul"))
        compiled = self.folder / "model.accel"
        done = self.ctl(
            "compile", str(model), "-o", str(compiled), "--device", "emulated:memory=1G", here=True
        )
        self.expect_exit(done, 0)
        self.expect_bounded(compiled)


class StandardInput(LoadingTest):
    def run_piped(self, content: bytes, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [BUILD / "tools/accelctl", "run", *arguments, "--device", "emulated"],
            input=content,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )

    def test_a_model_comes_from_standard_input(self):
        content = onnx.one_node("Neg", "f32", (2, 3))
        for name in ("-", "/dev/stdin"):
            done = self.run_piped(content, name, "--input", "x=" + self.numbers())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(b"output", done.stdout)

    def test_constant_inputs_do_not_read_the_model_twice(self):
        content = onnx.model(
            [("Reshape", ["x", "shape"], "y")],
            [("x", "f32", (2, 3)), ("shape", "i64", (1,))],
            [("y", "f32", (6,))],
        )
        done = self.run_piped(content, "-", "--constant-input", "shape=6")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_check_takes_standard_input(self):
        done = self.run_piped(onnx.one_node("Nonsense", "f32", (2,)), "-", "--check-only")
        self.assertEqual(done.returncode, 8, done.stderr)
        self.assertIn(b"Nonsense", done.stdout)

    def test_an_empty_pipe_is_an_error_with_a_remedy(self):
        done = self.run_piped(b"", "-")
        self.assertEqual(done.returncode, 7, done.stderr)
        self.assertIn(b"standard input: no model could be read", done.stderr)

    def numbers(self) -> str:
        path = self.folder / "x.raw"
        path.write_bytes(onnx.raw("f32", range(6)))
        return str(path)
