# SPDX-License-Identifier: Apache-2.0
"""`pip install .` on a machine that lacks something says what to install."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from card import tools_environment

ROOT = Path(__file__).resolve().parents[2]


class Build(unittest.TestCase):
    def test_a_machine_without_protobuf_is_told_the_packages(self):
        if not (ROOT / "CMakeLists.txt").exists() or shutil.which("cmake") is None:
            self.skipTest("the sources or CMake are not here")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [
                    "cmake",
                    *("-S", str(ROOT), "-B", folder),
                    *(f"-DACCEL_BUILD_{part}=OFF" for part in ("EXAMPLES", "TOOLS", "TESTS")),
                    "-DCMAKE_DISABLE_FIND_PACKAGE_Protobuf=ON",
                ],
                capture_output=True,
                text=True,
                timeout=300,
                env=tools_environment(),
            )
        self.assertEqual(done.returncode, 1, done.stderr)
        message = " ".join(done.stderr.split())
        self.assertIn("apt-get install libprotobuf-dev protobuf-compiler libonnx-dev", message)


if __name__ == "__main__":
    unittest.main()
