# SPDX-License-Identifier: Apache-2.0
"""Types and docstrings: mypy accepts the package in strict mode, and every name is described."""

import inspect
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import accel
from accel import commands

HERE = Path(__file__).resolve().parent
PACKAGE = Path(accel.__file__).parent


class Typing(unittest.TestCase):
    def mypy(self, *arguments: str) -> subprocess.CompletedProcess:
        with tempfile.TemporaryDirectory() as cache:
            return subprocess.run(
                [sys.executable, "-m", "mypy", "--strict", "--cache-dir", cache, *arguments],
                capture_output=True,
                text=True,
                timeout=300,
                cwd=cache,
            )

    def setUp(self):
        if os.environ.get("ACCEL_SANITIZE"):
            self.skipTest("a sanitized build has no stubs")
        try:
            import mypy  # noqa: F401
        except ImportError:
            self.skipTest("the package mypy is not installed")
        self.assertTrue((PACKAGE / "py.typed").exists())
        self.assertTrue((PACKAGE / "_accel.pyi").exists())

    def test_the_package_and_a_program_are_strictly_typed(self):
        done = self.mypy(str(PACKAGE), str(HERE / "typed_program.py"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_wrong_program_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "wrong.py"
            program.write_text("import accel\naccel.Device().buffer('four').wait(1)\n")
            done = self.mypy(str(program))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('"buffer"', done.stdout)


class Docstrings(unittest.TestCase):
    def test_every_public_name_has_a_description(self):
        missing = []
        for module in (accel, commands):
            for name in module.__all__:
                value = getattr(module, name)
                if not (inspect.getdoc(value) or "").strip():
                    missing.append(name)
                if not inspect.isclass(value):
                    continue
                for member, attribute in vars(value).items():
                    if callable(attribute) and not member.startswith("_") and not attribute.__doc__:
                        missing.append(f"{name}.{member}")
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
