# SPDX-License-Identifier: Apache-2.0
"""Builds a module for the newest kernel of Debian's unstable suite, sid.

Its headers need sid's compiler, and that needs sid's C library. All of them are unpacked into a
root folder of 400 MB in the cache, and kbuild runs in it. Nothing is installed or configured. The
guest boots the kernel and the module; its programs are the host's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from . import headers, kernel
from .archive import Archive, cache_root, run
from .verdict import Verdict, VmError

PROGRAMS = (
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "findutils",
    "grep",
    "make",
    "mawk",
    "perl-base",
    "sed",
)
PRUNE_AFTER = 2 * 24 * 3600  # seconds; no build uses an older root any more


class Sid:
    """The root folder for builds against the newest kernel."""

    def __init__(self) -> None:
        archive = Archive("sid")
        self.release = kernel.release_of(kernel.NEWEST)
        self.root = cache_root() / f"sid-{archive.version(f'linux-headers-{self.release}')}"
        if not self.root.is_dir():
            self._unpack(archive)

    def build(self, sources: list[Path], arguments: list[str], log: Path, output: Path) -> bool:
        """Copies the folders, and runs make in the first one with KDIR and O set.

        The module of a successful build is copied to the folder `output`.
        """
        with tempfile.TemporaryDirectory(prefix="build.", dir=self.root) as name:
            work = Path(name)
            for source in sources:
                shutil.copytree(source, work / source.name)
            inside = f"/{work.name}"
            command = [
                "make",
                "-C",
                f"{inside}/{sources[0].name}",
                f"O={inside}/out",
                f"KDIR=/usr/src/linux-headers-{self.release}",
                *arguments,
            ]
            with log.open("wb") as file:
                done = subprocess.run(
                    self._enter(command),
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    check=False,
                    env={"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C"},
                )
            if done.returncode == 0:
                output.mkdir(parents=True, exist_ok=True)
                for module in (work / "out").glob("*.ko"):
                    shutil.copy(module, output)
        return done.returncode == 0

    def _enter(self, command: list[str]) -> list[str]:
        chroot = shutil.which("chroot", path="/usr/sbin:/sbin:/usr/bin") or "chroot"
        inside = [chroot, str(self.root), *command]
        if os.geteuid() == 0:
            return inside
        # As root in a new namespace, which needs the host's devices.
        return [
            "unshare",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            'mount --rbind /dev "$0/dev" && exec "$@"',
            str(self.root),
            *inside,
        ]

    def _unpack(self, archive: Archive) -> None:
        for old in cache_root().glob("sid-*"):
            if time.time() - old.stat().st_mtime > PRUNE_AFTER:
                shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="sid.", dir=cache_root()) as name:
            root = Path(name) / "root"
            wanted = [f"linux-headers-{self.release}", *PROGRAMS]
            for file in _folders_first(
                archive.download_with_dependencies(wanted, Path(name) / "packages")
            ):
                run(["dpkg-deb", "-x", str(file), str(root)], f"cannot unpack {file.name}")
            headers.without_type_data(root / f"usr/src/linux-headers-{self.release}")
            _furnish(root)
            try:
                root.rename(self.root)
            except OSError as error:  # another process was faster
                if not self.root.is_dir():
                    raise VmError(
                        Verdict.SETUP, f"cannot create {self.root}: {error.strerror}"
                    ) from error


def _folders_first(packages: list[Path]) -> Iterator[Path]:
    """base-files first: it has the links /bin, /lib and /lib64 for the other packages."""
    yield from (file for file in packages if file.name.startswith("base-files_"))
    yield from (file for file in packages if not file.name.startswith("base-files_"))


def _furnish(root: Path) -> None:
    """Adds the files that an installed system has and unpacked packages do not have."""
    for link, target in (("usr/bin/awk", "mawk"), ("usr/bin/sh", "dash")):
        if not (root / link).exists():
            (root / link).symlink_to(target)
    # objtool reads the bounds of its stack from this file. A mounted /proc would need more
    # privileges than a container has.
    maps = root / "proc/self/maps"
    maps.parent.mkdir(parents=True)
    maps.write_text(
        "7ffc00000000-7ffc00800000 rw-p 00000000 00:00 0                          [stack]\n"
    )
    if os.geteuid() == 0:
        os.mknod(root / "dev/null", 0o020666, os.makedev(1, 3))
        os.chmod(root / "dev/null", 0o666)
