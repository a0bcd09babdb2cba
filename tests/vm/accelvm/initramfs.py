# SPDX-License-Identifier: Apache-2.0
"""Packs the guest's files into an uncompressed cpio archive.

It is uncompressed, because decompression costs emulated instructions and reading does not. It is
written here and not by cpio(1), because device nodes then need no root, and no files are staged on
disk.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from .kernel import Kernel
from .verdict import Verdict, VmError

INIT = Path(__file__).with_name("init.sh")
HARNESS_MODULES = ("virtio_pci", "virtio_console")
SHARE_MODULES = ("9pnet_virtio", "9p")
COMPANIONS = ("strace",)  # packed if the host has them
STANDARD_FOLDERS = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
)


@dataclass
class Payload:
    """The contents of the guest."""

    command: list[str] = field(default_factory=list)
    modules: list[tuple[Path, str]] = field(default_factory=list)  # file, parameters
    stock_modules: list[str] = field(default_factory=list)  # names of the kernel's own modules
    programs: list[Path] = field(default_factory=list)  # for /usr/bin, with their libraries
    files: list[tuple[Path, str]] = field(default_factory=list)  # file or folder, path in the guest
    environment: dict[str, str] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)  # nodes to wait for after the modules
    interactive: bool = False  # a shell on a terminal
    piped: bool = False  # a shell without one, whose commands come from the host
    share: Path | None = None  # folder of the host, mounted as /host
    leaks: bool = False  # scan for leaked memory at the end


class Cpio:
    """Writes the `newc` format, and adds missing parent folders.

    A second entry with the same name is ignored.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._inode = 0
        self._names: set[str] = {""}

    def _entry(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        name = name.strip("/")
        if name in self._names:
            return
        self._names.add(name)
        if "/" in name:
            self.folder(name.rsplit("/", 1)[0])
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08x" % value for value in fields) + encoded
        self._out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    def folder(self, name: str, permissions: int = 0o755) -> None:
        self._entry(name, stat.S_IFDIR | permissions)

    def file(self, name: str, data: bytes, permissions: int = 0o644) -> None:
        self._entry(name, stat.S_IFREG | permissions, data)

    def link(self, name: str, target: str) -> None:
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name: str, major: int, minor: int) -> None:
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def copy(self, source: Path, name: str) -> None:
        """Adds a file or a folder of the host; symbolic links are followed."""
        try:
            if source.is_dir():
                self.folder(name)
                for child in sorted(source.iterdir()):
                    self.copy(child, f"{name}/{child.name}")
            else:
                self.file(name, source.read_bytes(), 0o755 if os.access(source, os.X_OK) else 0o644)
        except OSError as error:
            raise VmError(
                Verdict.SETUP, f"cannot put {source} into the guest: {error.strerror}"
            ) from error

    def end(self) -> None:
        self._entry("TRAILER!!!", 0)


def pack(payload: Payload, kernel: Kernel, out: BinaryIO) -> None:
    """Writes the initramfs for `payload` to `out`."""
    cpio = Cpio(out)
    for folder in ("proc", "sys", "dev", "run", "results", "root", "var"):
        cpio.folder(folder)
    cpio.folder("tmp", 0o1777)
    cpio.character_device("dev/console", 5, 1)
    cpio.character_device("dev/null", 1, 3)
    cpio.file("etc/passwd", b"root::0:0:root:/root:/bin/sh\nuser::1000:1000:user:/tmp:/bin/sh\n")
    cpio.file("etc/group", b"root:x:0:\naccel:x:999:\nuser:x:1000:\n")
    _busybox(cpio)
    cpio.file("init", INIT.read_bytes(), 0o755)

    harness = _insertion_order(
        kernel, [*HARNESS_MODULES, *(SHARE_MODULES if payload.share else ())]
    )
    stock = [m for m in _insertion_order(kernel, _stock_wanted(payload)) if m not in harness]
    for module in [*harness, *stock, *(path for path, _ in payload.modules)]:
        cpio.copy(module, f"vm/modules/{module.name}")

    programs = payload.programs + [
        Path(found) for name in COMPANIONS if (found := shutil.which(name))
    ]
    library_path = _programs(cpio, programs)
    for source, target in payload.files:
        cpio.copy(source, target)
    cpio.file("vm/config", _config(payload, harness, stock, library_path))
    cpio.file("vm/command", _command(payload, library_path), 0o755)
    cpio.end()


def _stock_wanted(payload: Payload) -> list[str]:
    """The requested stock modules, and those that the out-of-tree modules depend on."""
    ours = {path.stem.replace("-", "_") for path, _ in payload.modules}
    wanted = list(payload.stock_modules)
    for path, _ in payload.modules:
        try:
            match = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        except OSError as error:
            raise VmError(Verdict.SETUP, f"cannot read module {path}: {error.strerror}") from error
        wanted += (
            [name for name in match[1].decode().split(",") if name and name not in ours]
            if match
            else []
        )
    return wanted


def _insertion_order(kernel: Kernel, names: list[str]) -> list[Path]:
    return list(dict.fromkeys(file for name in names for file in kernel.module_closure(name)))


def _busybox(cpio: Cpio) -> None:
    busybox = shutil.which("busybox")
    if not busybox:
        raise VmError(
            Verdict.SETUP, "busybox is not installed (package busybox-static): run 'make setup'"
        )
    cpio.file("bin/busybox", Path(busybox).read_bytes(), 0o755)
    applets = subprocess.run(
        [busybox, "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    for applet in applets:
        if applet not in ("busybox", "strings"):
            cpio.link(f"bin/{applet}", "/bin/busybox")
    cpio.link("sbin", "/bin")


def _programs(cpio: Cpio, programs: list[Path]) -> str:
    """Adds programs to /usr/bin and their libraries at the host's path.

    Returns the LD_LIBRARY_PATH that they need.
    """
    folders: dict[str, None] = {}
    for program in programs:
        cpio.copy(program, f"usr/bin/{program.name}")
        for library in _libraries(program):
            cpio.copy(library, str(library))
            if str(library.parent) not in STANDARD_FOLDERS:
                folders[str(library.parent)] = None
    return ":".join(folders)


def _libraries(program: Path) -> list[Path]:
    """The shared libraries and the loader of a program; none for a script or a static program."""
    listing = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        return []
    if missing := re.search(r"^\s*(\S+) => not found", listing.stdout, re.MULTILINE):
        raise VmError(
            Verdict.SETUP, f"{program} needs {missing[1]}, which this machine does not have"
        )
    return [Path(path) for path in re.findall(r"(?:=> |^\s*)(/\S+)", listing.stdout, re.MULTILINE)]


def _config(payload: Payload, harness: list[Path], stock: list[Path], library_path: str) -> bytes:
    """The variables that init.sh reads."""
    rows, columns = shutil.get_terminal_size().lines, shutil.get_terminal_size().columns
    driver = [(path.name, "") for path in stock] + [
        (path.name, text) for path, text in payload.modules
    ]
    variables = {
        "harness_modules": " ".join(path.name for path in harness),
        "driver_modules": "\n".join(f"{name} {text}".strip() for name, text in driver),
        "devices": " ".join(payload.devices),
        "interactive": "yes" if payload.interactive else "",
        "piped": "yes" if payload.piped else "",
        "share": str(payload.share.absolute()) if payload.share else "",
        "leaks": "yes" if payload.leaks else "",
        "rows": str(rows),
        "columns": str(columns),
        "terminal": os.environ.get("TERM", "vt100"),
        "library_path": library_path,
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()).encode()


def _command(payload: Payload, library_path: str) -> bytes:
    environment = {
        **({"LD_LIBRARY_PATH": library_path} if library_path else {}),
        **payload.environment,
    }
    exports = "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()
    )
    return f"#!/bin/sh\n{exports}exec {shlex.join(payload.command)}\n".encode()
