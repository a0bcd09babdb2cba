# SPDX-License-Identifier: Apache-2.0
"""Builds the debug kernel: Debian's linux-source-6.1 with the options of debug/kernel.config.

The build takes ten to fifteen minutes on two cores. Its result is kept in the user's cache: the
image, and the files that kbuild needs for a module. The release names the inputs (the version of
the package, the options and the compiler), so a change of one of them makes another kernel, which
refuses the modules of the first.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .archive import cache_root, run
from .verdict import Verdict, VmError

NAME = "debug"
PACKAGE = "linux-source-6.1"
ARCHIVE = Path(f"/usr/src/{PACKAGE}.tar.xz")
FRAGMENT = Path(__file__).resolve().parents[1] / "debug/kernel.config"
PACKAGES = "run 'tools/setup/packages.sh debug-kernel'"
LOG_LINES = 15
REMAINS_AFTER = 24 * 3600  # seconds; no build takes that long
RECIPE = 1  # raised when this file builds or keeps something else

# The files that a module's build reads: of the source, and of the kernel's objects.
SOURCE_FILES = ("Makefile", "Kbuild", "scripts", "include", "arch/x86/include")
BUILD_FILES = (
    ".config",
    "Makefile",
    "Module.symvers",
    "include",
    "scripts",
    "arch/x86/include",
    "tools/objtool/objtool",
)
# Without dates and names, an equal build has an equal result.
CONSTANT = {
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "accel",
    "KBUILD_BUILD_HOST": "accel",
    "LC_ALL": "C",
}


def release() -> str:
    """The release of the debug kernel that the installed packages make: 6.1.192-dbg-01234567."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    status, _, version = shown.stdout.partition(" ")
    if status != "installed":
        raise VmError(Verdict.SETUP, f"{PACKAGE} is not installed: {PACKAGES}")
    compiler = run(["gcc", "--version"], "cannot run gcc").splitlines()[0]
    inputs = "\n".join((version, compiler, FRAGMENT.read_text(), str(RECIPE)))
    return f"{version.split('-')[0]}-dbg-{hashlib.sha256(inputs.encode()).hexdigest()[:8]}"


def is_release(name: str) -> bool:
    return "-dbg-" in name


def get(wanted: str) -> Path:
    """The folder of this release in the cache; it is built if it is not there."""
    folder = cache_root() / f"kernel-{wanted}"
    if folder.is_dir():
        return folder
    if wanted != release():
        raise VmError(
            Verdict.SETUP,
            f"{wanted} is not in {cache_root()}, and the installed packages make {release()}",
        )
    cache_root().mkdir(parents=True, exist_ok=True)
    _remove_remains()
    print(f"building kernel {wanted}, which takes ten to fifteen minutes", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=f"kernel-{wanted}.", dir=cache_root()) as name:
        scratch = Path(name)
        source = scratch / "linux"
        source.mkdir()
        if not ARCHIVE.is_file():
            raise VmError(Verdict.SETUP, f"{ARCHIVE} is missing: {PACKAGES}")
        run(
            ["tar", "-xf", str(ARCHIVE), "-C", str(source), "--strip-components=1"],
            f"cannot unpack {ARCHIVE}",
        )
        # A build folder inside the source makes kbuild refer to the source as "..", so that both
        # can be moved together.
        _build(source, source / "build", wanted)
        result = scratch / "result"
        _pick(source, wanted, result)
        try:
            result.rename(folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise
    return folder


def _remove_remains() -> None:
    """Removes what builds have left that somebody killed; each has a gigabyte."""
    for path in cache_root().glob("kernel-*-dbg-*.*/"):
        if time.time() - path.stat().st_mtime > REMAINS_AFTER:
            shutil.rmtree(path, ignore_errors=True)


def _build(source: Path, build: Path, wanted: str) -> None:
    build.mkdir()
    _make(source, [f"O={build}", f"KCONFIG_ALLCONFIG={FRAGMENT}", "allnoconfig"])
    if missing := missing_lines(FRAGMENT.read_text(), (build / ".config").read_text()):
        raise VmError(
            Verdict.SETUP,
            f"kconfig dropped lines of {FRAGMENT}, because dependencies are not met: "
            f"{', '.join(missing)}",
        )
    _make(
        build,
        [
            f"-j{os.cpu_count() or 1}",
            f"LOCALVERSION={wanted[wanted.rindex('-') :]}",
            *(["CC=ccache gcc"] if shutil.which("ccache") else []),
            "bzImage",
            "modules",
        ],
    )


def missing_lines(fragment: str, config: str) -> list[str]:
    """The lines of a fragment that are not in the resulting .config."""
    have = set(config.splitlines())
    wanted = (line for line in fragment.splitlines() if line and not line.startswith("# "))
    return [line for line in wanted if line not in have]


def _make(folder: Path, arguments: list[str]) -> None:
    """Runs make with low priority; a failure becomes one sentence and the end of its output."""
    done = subprocess.run(
        ["nice", "make", "-C", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **CONSTANT, "MAKEFLAGS": "", "MFLAGS": ""},
        check=False,
    )
    if done.returncode != 0:
        raise VmError(
            Verdict.SETUP,
            f"the debug kernel does not build ({PACKAGES} for its tools):\n"
            + "\n".join(done.stdout.splitlines()[-LOG_LINES:]),
        )


def _pick(source: Path, wanted: str, result: Path) -> None:
    """Copies the image, and what a module's build needs."""
    build = source / "build"
    made = (build / "include/config/kernel.release").read_text().strip()
    if made != wanted:
        raise VmError(Verdict.SETUP, f"{PACKAGE} makes {made}, and {wanted} was expected")
    modules = result / "lib/modules" / wanted
    modules.mkdir(parents=True)
    shutil.copy(build / "arch/x86/boot/bzImage", result / "bzImage")
    shutil.copy(build / "System.map", result)
    shutil.copy(build / "modules.builtin", modules)
    (modules / "modules.dep").write_text("")  # nothing is a module
    for path in _listed(source, SOURCE_FILES):
        _copy(source / path, result / "linux" / path)
    for path in (source / "arch/x86").glob("Makefile*"):
        _copy(path, result / "linux/arch/x86" / path.name)
    for path in _listed(build, BUILD_FILES):
        _copy(build / path, result / "linux/build" / path)
    (modules / "build").symlink_to("../../../linux/build")


def _listed(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """The files with these names or in these folders, without objects, relative to `folder`."""
    for name in names:
        path = folder / name
        for file in [path] if path.is_file() else path.rglob("*"):
            if (file.is_file() or file.is_symlink()) and file.suffix not in (".o", ".cmd", ".a"):
                yield file.relative_to(folder)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
