# SPDX-License-Identifier: Apache-2.0
"""Python, the package accel and its tests for the guest."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
HOME = "/python"  # PYTHONHOME in the guest
LEFT_OUT = ("__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip", "site-packages")
PACKAGES = ("numpy", "numpy.libs", "ml_dtypes")  # the tests of mypy are skipped in the guest

SCRIPT = f"""#!/bin/sh
# Runs the tests of the Python package in the guest, on the first card.
unset ACCEL_DEVICE
export PYTHONHOME={HOME} PYTHONPATH={HOME}/packages PYTHONDONTWRITEBYTECODE=1
exec python3 {HOME}/tests/harness/run.py --folder {HOME}/tests/python "$@"
"""

QUERY = """
import json, sys, sysconfig, numpy, accel._accel
print(json.dumps([
    sys.base_prefix + "/bin/python%d.%d" % sys.version_info[:2],
    sysconfig.get_path("stdlib"), numpy.__file__, accel._accel.__file__,
    numpy._core._multiarray_umath.__file__,
]))
"""


class MissingPython(Exception):
    """The build has no Python package."""


def arguments(build: Path, folder: Path) -> tuple[list[str], Path]:
    """Returns the arguments of vm.py for the files, and the program that runs the tests."""
    runner = build / "tests/python/python_tests"
    if not runner.is_file():
        raise MissingPython(f"{runner} is not built")
    interpreter = runner.read_text().split('exec "')[1].split('"')[0]
    done = subprocess.run(
        [interpreter, "-c", QUERY],
        env={"PYTHONPATH": str((build / "libaccel/python").absolute())},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MissingPython(f"the Python package cannot be imported: {done.stderr.strip()}")
    base, library, numpy, extension, numpy_extension = json.loads(done.stdout)
    home = folder / "python"
    ignore = shutil.ignore_patterns(*LEFT_OUT, "config-*")
    shutil.copytree(library, home / "lib" / Path(library).name, ignore=ignore)
    site = Path(numpy).parents[1]
    for name in PACKAGES:
        if (site / name).is_dir():
            # numpy.testing needs some of its folders named "tests".
            shutil.copytree(
                site / name, home / "packages" / name, ignore=shutil.ignore_patterns("__pycache__")
            )
    shutil.copytree(Path(extension).parent, home / "packages/accel", ignore=ignore)
    for name in ("python", "harness"):
        shutil.copytree(TESTS / name, home / "tests" / name, ignore=ignore)
    program = folder / "python_tests"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    # libaccel looks for the emulated device beside itself, where the host has it.
    emulated = build.absolute() / "libaccel/libaccel_emulated.so.0"
    # Programs come with their libraries.
    python3 = folder / "python3"
    python3.symlink_to(base)
    programs = [program, python3, Path(extension), Path(numpy_extension)]
    result = ["--files", f"{home}:{HOME}", "--memory", "2G"]
    result += ["--files", f"{emulated}:{emulated}"]
    for path in programs:
        result += ["--program", str(path)]
    return result, program
