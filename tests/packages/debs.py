# SPDX-License-Identifier: Apache-2.0
"""The packages of a build, unpacked once for all tests."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ACCEL_BUILD", PROJECT / "build"))
CONSUMER = PROJECT / "tests/packages/consumer"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
VERSION = re.search(  # type: ignore[index]
    r"project\(accel VERSION (\S+)", (PROJECT / "CMakeLists.txt").read_text()
)[1]
NAMES = (
    "accel-dkms",
    "accel-doc",
    "accel-qemu",
    "accel-tools",
    "libaccel-c0",
    "libaccel-dev",
    "libaccel-model0",
    "libaccel0",
    "python3-accel",
)


def run(*words: object, **environment: str) -> subprocess.CompletedProcess:
    """Runs a command, with additions to the environment. No test depends on LD_LIBRARY_PATH."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("LD_LIBRARY_PATH", "MAKEFLAGS")}
    return subprocess.run(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**inherited, **environment},
    )


def paths() -> dict[str, Path]:
    """The file of each package."""
    found = {path.name.split("_")[0]: path for path in (BUILD / "packages").glob("*.deb")}
    if not found:
        raise AssertionError(f"no package is in {BUILD / 'packages'}: make deb")
    return found


def field(package: str, name: str) -> str:
    done = run("dpkg-deb", "--field", paths()[package], name)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


class Unpacked:
    """A folder with the files of all packages, as in an installation."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="accel-packages.")
        self.root = Path(self._scratch.name)
        for path in paths().values():
            done = run("dpkg-deb", "-x", path, self.root)
            assert done.returncode == 0, done.stdout

    @property
    def libraries(self) -> Path:
        return next(self.root.glob("usr/lib/*/libaccel.so.0")).parent

    def programs(self) -> list[Path]:
        """All ELF files that an installation has."""
        files = (p for p in self.root.rglob("*") if p.is_file() and not p.is_symlink())
        return [path for path in files if path.open("rb").read(4) == b"\x7fELF"]


@functools.cache
def unpacked() -> Unpacked:
    return Unpacked()
