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
    def peak(self, *arguments: str | Path) -> int:
        """The most memory, in bytes, of a run of accelctl."""
        # A child begins with the peak of its parent, so its parent is not this program, which has
        # the weights, but a small one.
        program = (
            "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
            "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(BUILD / "tools/accelctl"), *map(str, arguments)]
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
        self.baseline = self.peak("run", self.write("small.onnx", [], nodes))

    def expect_bounded(self, model: Path) -> None:
        """The emulated card is in the process, so its memory has the weights of the card once."""
        self.expect_weights_once("run", model, weights=self.COUNT * BYTES)

    def expect_weights_once(self, *arguments: str | Path, weights: float) -> None:
        used = self.peak(*arguments) - self.baseline
        self.assertLess(used, 1.3 * weights)
        self.assertGreater(used, 0.9 * weights, "the card has the weights")

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

    def test_a_compiled_model_is_written_part_by_part(self):
        weights = [matrix(f"w{i}", content) for i, content in enumerate(self.matrices)]
        model = self.write("model.onnx", weights, self.chain("MatMul"))
        compiled = self.folder / "model.accel"
        self.expect_weights_once("compile", model, "-o", compiled, weights=self.COUNT * BYTES)
        self.assertGreater(compiled.stat().st_size, self.COUNT * BYTES)

    # ---- weights of one byte and less: a layer has as many bytes as one of f32, so more elements

    ROWS = 4 * WIDTH

    def bytes_of_layers(self, elements: int) -> list[bytes]:
        """Different contents for each layer."""
        return [content[:1024] * (elements // 1024) for content in self.matrices]

    def quantized_layers(self, nodes: list, layer: list) -> bytes:
        """A model whose layers reduce ROWS values to WIDTH, and repeat them."""
        shape = ("f32", (1, WIDTH))
        return onnx.model(
            nodes, [("x", *shape)], [(nodes[-1][2], *shape)], layer, domains=("com.microsoft",)
        )

    def integer_layers(self, zero_point: int) -> Path:
        """Layers as the dynamic quantization of ONNX Runtime writes them, 40 of 4 MiB."""
        weights = []
        nodes: list = []
        x = "x"
        for i, content in enumerate(self.bytes_of_layers(self.ROWS * WIDTH)):
            weights += [
                onnx.tensor_head("i8", (WIDTH, self.ROWS), f"w{i}") + onnx.raw_data(content),
                onnx.named_tensor("i8", (self.ROWS,), f"z{i}", [zero_point] * self.ROWS),
                onnx.named_tensor("f32", (self.ROWS,), f"s{i}", [2.0**-12] * self.ROWS),
            ]
            nodes += [
                ("DynamicQuantizeLinear", [x], [f"q{i}", f"qs{i}", f"qz{i}"]),
                ("MatMulInteger", [f"q{i}", f"w{i}", f"qz{i}", f"z{i}"], f"m{i}"),
                ("Cast", [f"m{i}"], f"c{i}", {"to": 1}),
                ("Mul", [f"c{i}", f"s{i}"], f"f{i}"),
                ("Slice", [f"f{i}", "start", "end", "axis"], f"y{i}"),
            ]
            x = f"y{i}"
        for name, value in (("start", 0), ("end", WIDTH), ("axis", 1)):
            weights.append(onnx.named_tensor("i64", (1,), name, [value]))
        path = self.folder / "integers.onnx"
        path.write_bytes(self.quantized_layers(nodes, weights))
        return path

    def test_dynamically_quantized_weights_are_in_memory_once(self):
        for zero_point in (0, 3):
            with self.subTest(zero_point=zero_point):
                self.expect_bounded(self.integer_layers(zero_point))

    def dequantized_layers(self, zero_point: int) -> Path:
        """Weights of i8 that the products read as f32: the card has four bytes for each."""
        weights = []
        nodes: list = []
        for i, content in enumerate(self.bytes_of_layers(WIDTH * WIDTH)):
            weights += [
                onnx.tensor_head("i8", (WIDTH, WIDTH), f"w{i}") + onnx.raw_data(content),
                onnx.named_tensor("i8", (WIDTH,), f"z{i}", [zero_point] * WIDTH),
                onnx.named_tensor("f32", (WIDTH,), f"s{i}", [2.0**-12] * WIDTH),
            ]
            x = f"y{i - 1}" if i else "x"
            nodes += [
                ("DequantizeLinear", [f"w{i}", f"s{i}", f"z{i}"], f"d{i}", {"axis": 1}),
                ("Transpose", [f"d{i}"], f"t{i}"),
                ("MatMul", [x, f"t{i}"], f"y{i}"),
            ]
        path = self.folder / "dequantized.onnx"
        path.write_bytes(self.quantized_layers(nodes, weights))
        return path

    def test_dequantized_weights_are_in_memory_once(self):
        for zero_point in (0, 3):
            with self.subTest(zero_point=zero_point):
                self.expect_bounded(self.dequantized_layers(zero_point))

    def test_weights_of_four_bits_are_in_memory_once(self):
        weights = []
        nodes: list = []
        blocks = WIDTH // 32
        x = "x"
        columns = 2 * WIDTH  # a layer of 1 MiB
        scales = [2.0**-9] * (columns * blocks)
        for i, content in enumerate(self.bytes_of_layers(columns * WIDTH // 2) * 2):
            own = bytes([i]) + content[1:]
            weights += [
                onnx.tensor_head("u8", (columns, blocks, 16), f"w{i}") + onnx.raw_data(own),
                onnx.named_tensor("f32", (columns * blocks,), f"s{i}", scales),
            ]
            options = {"K": WIDTH, "N": columns, "bits": 4, "block_size": 32}
            nodes += [
                ("com.microsoft.MatMulNBits", [x, f"w{i}", f"s{i}"], f"f{i}", options),
                ("Slice", [f"f{i}", "start", "end", "axis"], f"y{i}"),
            ]
            x = f"y{i}"
        for name, value in (("start", 0), ("end", WIDTH), ("axis", 1)):
            weights.append(onnx.named_tensor("i64", (1,), name, [value]))
        path = self.folder / "four.onnx"
        path.write_bytes(self.quantized_layers(nodes, weights))
        scratch = 4 * columns * WIDTH  # one layer, unpacked
        self.baseline += scratch
        self.expect_weights_once("run", path, weights=2 * self.COUNT * columns * WIDTH // 2)

    # ---- quantize()

    def test_a_quantized_model_is_written_part_by_part(self):
        values = onnx.raw("f32", [0.01] * WIDTH)
        data = self.folder / "x.raw"
        data.write_bytes(values)
        # Small weights: the activations of all layers stay finite.
        small = [onnx.raw("f32", [(b - 128) / 4096 for b in c[:1024]]) for c in self.matrices]
        weights = [matrix(f"w{i}", row * WIDTH) for i, row in enumerate(small)]
        model = self.write("model.onnx", weights, self.chain("MatMul"))
        outputs = []
        for options in ([], ["--external-weights"], ["--weights", "i4"]):
            with self.subTest(options=options):
                result = self.folder / f"quantized{len(outputs)}.onnx"
                self.expect_weights_once(
                    *("quantize", model, "-o", result, "--calibrate", data, *options),
                    weights=self.COUNT * BYTES,
                )
                output = self.folder / f"{len(outputs)}.raw"
                self.ctl(
                    *("run", str(result), "--input", f"x={data}", "-o", str(output)),
                    *("--device", "emulated:memory=1G"),
                    here=True,
                )
                outputs.append(output.read_bytes())
        self.assertEqual(outputs[0], outputs[1])
        size = {file.name: file.stat().st_size for file in self.folder.iterdir()}
        self.assertGreater(size["quantized0.onnx"], self.COUNT * BYTES // 4)
        self.assertLess(size["quantized1.onnx"], BYTES)
        self.assertGreaterEqual(size["quantized1.onnx.data"], self.COUNT * BYTES // 4)

    def test_a_pipe_has_no_second_file(self):
        data = self.folder / "x.raw"
        data.write_bytes(onnx.raw("f32", [0.01] * WIDTH))
        nodes = [("MatMul", ["x", "w0"], "y")]
        model = self.write("model.onnx", [matrix("w0", bytes(BYTES))], nodes)
        done = self.ctl(
            *("quantize", str(model), "-o", "/dev/null", "--calibrate", str(data)),
            *("--external-weights", "--device", "emulated:memory=1G"),
            here=True,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/dev/null is a pipe or a device", done.stderr)
        self.assertIn("give the name of a file", done.stderr)


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
