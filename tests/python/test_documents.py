# SPDX-License-Identifier: Apache-2.0
"""The programs of the documentation run as they are."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import accel
import numpy as np
from accel import examples
from card import tools_environment

ROOT = Path(__file__).resolve().parents[2]


def program(page: str) -> str:
    """All blocks of Python of a page, in order."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.M | re.S)
    return "\n\n".join(blocks)


class Documents(unittest.TestCase):
    def data(self) -> Path:
        """The folder with the models and the photograph."""
        script = ROOT / "tests/compiler/data.sh"
        if not script.exists():
            self.skipTest("the sources are not here")
        done = subprocess.run([script], capture_output=True, text=True, env=tools_environment())
        if done.returncode != 0:
            self.fail(done.stderr)
        return Path(done.stdout.strip())

    def run_in(self, folder: str, text: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, timeout=300
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_tutorial_draws_the_box_around_the_face(self):
        data = self.data()
        with tempfile.TemporaryDirectory() as folder:
            for name in ("face-front.onnx", "astronaut-128.ppm"):
                shutil.copy(data / name, folder)
            output = self.run_in(folder, program("docs/tutorials/python.md"))
            before = (data / "astronaut-128.ppm").read_bytes()
            after = Path(folder, "face.ppm").read_bytes()
        score, x, y = re.search(
            r"score ([0-9.]+) around \[\s*([0-9.]+) +([0-9.]+)\]", output
        ).groups()
        self.assertGreater(float(score), 0.8)
        self.assertAlmostEqual(float(x), 0.44, delta=0.05)
        self.assertAlmostEqual(float(y), 0.22, delta=0.06)
        self.assertIn("[[5. 5. 5.]]", output)
        self.assertIn("fault_unmapped at 0x1000", output)
        changed = [a != b for a, b in zip(before, after, strict=True)]
        self.assertGreater(sum(changed), 100)
        self.assertLess(sum(changed), len(before) // 10)

    def test_the_examples_of_the_reference_classify(self):
        if not (ROOT / "docs").exists():
            self.skipTest("the sources are not here")
        with tempfile.TemporaryDirectory() as folder:
            output = self.run_in(folder, program("docs/reference/python.md"))
        noise, served, *labels = output.splitlines()
        self.assertGreater(float(noise.removesuffix(" dB")), 20)
        self.assertEqual(served, "['ankle boot', 'pullover']")
        # Those of the group, then those of the pipeline.
        self.assertEqual(labels, ["ankle boot", "pullover"] * 2)

    def test_the_page_of_operators_lists_those_of_the_compiler(self):
        folder = ROOT / "libaccel/compiler/frontend/operators"
        if not folder.exists():
            self.skipTest("the sources are not here")
        entry = re.compile(r'\{\s*"((?:[a-z]+\.)*[A-Z]\w*)"\s*,')
        text = "".join(file.read_text() for file in folder.glob("*.cpp"))
        expected = set(entry.findall(text))
        # The import itself resolves the first four; the others are aliases.
        expected |= {"If", "Loop", "Scan", "SequenceMap"}
        aliases = ("DequantizeLinear", "GatherND", "GridSample", "QuantizeLinear", "Range", "Trilu")
        expected |= {f"com.microsoft.{name}" for name in aliases}
        page = (ROOT / "docs/reference/operators.md").read_text()
        listed = set(re.findall(r"^\| ([\w.]+) \| \d+ – ?\d* \|", page, re.M))
        self.assertEqual(listed, expected)

    def test_the_programs_of_the_readmes_classify(self):
        if not (ROOT / "README.md").exists():
            self.skipTest("the sources are not here")
        for page in ("README.md", "libaccel/python/README.md"):
            with tempfile.TemporaryDirectory() as folder, self.subTest(page):
                text = program(page)
                self.assertIn("accel.Model.load", text)
                self.assertEqual(self.run_in(folder, text).strip(), "ankle boot")


class Examples(unittest.TestCase):
    def test_the_photographs_are_classified(self):
        model = accel.Model.load(examples.FASHION, accel.Device())
        for name, label in (("ankle-boot.pgm", "ankle boot"), ("pullover.pgm", "pullover")):
            picture = examples.read_pgm(name)
            self.assertEqual((picture.shape, picture.dtype), ((1, 1, 28, 28), np.float32))
            self.assertEqual(examples.LABELS[int(model(picture).argmax())], label)

    def test_a_picture_of_the_user_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "picture.pgm"
            file.write_bytes(b"P5\n2 3\n255\n" + bytes([10, 32, 255, 0, 51, 102]))
            picture = examples.read_pgm(file)
            file.write_bytes(b"P6\n1 1\n255\n" + bytes(3))
            with self.assertRaisesRegex(ValueError, "not a binary PGM file"):
                examples.read_pgm(file)
        np.testing.assert_allclose(picture[0, 0, 2], [0.2, 0.4])
        self.assertEqual(picture.shape, (1, 1, 3, 2))


if __name__ == "__main__":
    unittest.main()
