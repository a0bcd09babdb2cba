# SPDX-License-Identifier: Apache-2.0
"""Gets a stock Debian kernel without installing it: download, unpack, keep what a guest boots from.

The kernel is the one whose headers are installed, because the driver is built against these. It lies in the
user's cache, complete or not at all: it is put together in a folder beside and renamed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .verdict import Verdict, VmError

# Modules a guest may be given, with what they depend on. The image has 4,000 of them, 400 MB; these are a few.
# A change of this list fetches the kernel anew.
KEPT_MODULES = (
    "virtio_pci", "virtio_console", "virtio_blk", "virtio_net", "virtio_rng",
    "9p", "9pnet_virtio", "aer_inject", "vfio-pci", "msr", "vgem",
)


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel in the cache."""

    release: str
    folder: Path

    @property
    def vmlinux(self) -> Path:
        return self.folder / "vmlinux"

    @property
    def modules(self) -> Path:
        return self.folder / "lib/modules" / self.release

    def module_closure(self, name: str) -> list[Path]:
        """Files to insmod for module `name`, in order; empty if it is built in."""
        if name.replace("-", "_") in _builtin(self.modules):
            return []
        dependencies = _dependencies(self.modules)
        for path, needed in dependencies.items():
            if _module_name(path) == name.replace("-", "_"):
                return [self.modules / p for p in [*reversed(needed), path]]
        raise VmError(Verdict.SETUP, f"kernel {self.release} as cached in {self.folder} has no module {name}: "
                                     "add it to KEPT_MODULES in tests/vm/accelvm/kernel.py")


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "accel"


def default_release() -> str:
    """The kernel to use: ACCEL_KERNEL, else the one that the newest installed headers belong to.

    ACCEL_KERNEL is a release (6.1.0-56-amd64) or a flavour, the end of a meta package's name (rt-amd64).
    """
    wanted = os.environ.get("ACCEL_KERNEL", "amd64")
    if wanted[0].isdigit():
        return wanted
    query = subprocess.run(["dpkg-query", "-W", "-f", "${Depends}", f"linux-headers-{wanted}"],
                           capture_output=True, text=True, check=False)
    match = re.search(r"linux-headers-(\d\S*)", query.stdout) if query.returncode == 0 else None
    if not match:
        raise VmError(Verdict.SETUP, f"kernel headers are not installed (linux-headers-{wanted}): run 'make setup'")
    return match[1]


def get(release: str | None = None) -> Kernel:
    """The kernel of that release, from the cache or fetched into it."""
    release = release or default_release()
    kernel = Kernel(release, cache_root() / f"kernel-{release}")
    stamp = kernel.folder / "modules.kept"
    kept = "\n".join(KEPT_MODULES)
    if stamp.is_file() and stamp.read_text() == kept:
        return kernel
    cache_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"kernel-{release}.", dir=cache_root()) as scratch:
        tree = _unpack(release, _download(release, Path(scratch)), Path(scratch))
        result = Path(scratch) / "result"
        _pick(release, tree, result)
        (result / stamp.name).write_text(kept)
        shutil.rmtree(kernel.folder, ignore_errors=True)
        try:
            result.rename(kernel.folder)
        except OSError:  # somebody else was faster
            if not stamp.is_file():
                raise
    return kernel


def _run(command: list[str], cwd: Path, failure: str) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise VmError(Verdict.SETUP, f"{failure}: {reason}")


def _download(release: str, scratch: Path) -> Path:
    package = f"linux-image-{release}"
    _run(["apt-get", "-o", "APT::Sandbox::User=root", "download", package], scratch,
         f"cannot download {package}; if Debian has replaced it by a newer one, "
         "run 'sudo apt-get update' and 'make setup'")
    return next(scratch.glob(f"{package}_*.deb"))


def _unpack(release: str, package: Path, scratch: Path) -> Path:
    tree = scratch / "tree"
    _run(["dpkg-deb", "-x", str(package), str(tree)], scratch, f"cannot unpack {package.name}")
    if not (tree / "lib").is_dir():  # newer releases ship /usr/lib
        (tree / "lib").symlink_to("usr/lib")
    depmod = shutil.which("depmod", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not depmod:
        raise VmError(Verdict.SETUP, "depmod is not installed (package kmod): run 'make setup'")
    _run([depmod, "-b", str(tree), release], scratch, "depmod failed")
    return tree


def _pick(release: str, tree: Path, result: Path) -> None:
    """Copies what a guest needs of the unpacked package."""
    modules, kept = tree / "lib/modules" / release, result / "lib/modules" / release
    kept.mkdir(parents=True)
    (result / "vmlinux").write_bytes(_extract_vmlinux((tree / f"boot/vmlinuz-{release}").read_bytes()))
    shutil.copy(modules / "modules.builtin", kept)
    wanted = {name.replace("-", "_") for name in KEPT_MODULES}
    lines = []
    for path, needed in _dependencies(modules).items():
        if _module_name(path) not in wanted:
            continue
        lines.append(f"{path}: {' '.join(needed)}\n")
        for file in (path, *needed):
            (kept / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(modules / file, kept / file)
    (kept / "modules.dep").write_text("".join(lines))


def _extract_vmlinux(image: bytes) -> bytes:
    """The ELF inside a bzImage. Booting it through PVH saves the guest 3 s of decompression under emulation."""
    if image[0x202:0x206] != b"HdrS":
        raise VmError(Verdict.SETUP, "the kernel image is no bzImage")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset:][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        vmlinux = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        vmlinux = gzip.decompress(payload)
    elif payload.startswith(b"BZh"):
        vmlinux = bz2.BZ2Decompressor().decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        vmlinux = subprocess.run(["zstd", "-dc"], input=payload, stdout=subprocess.PIPE, check=False).stdout
    else:
        raise VmError(Verdict.SETUP, "the kernel image is compressed in a way not known here")
    if not vmlinux.startswith(b"\x7fELF"):
        raise VmError(Verdict.SETUP, "the kernel image could not be decompressed")
    return vmlinux


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")


def _builtin(modules: Path) -> set[str]:
    return {_module_name(line) for line in (modules / "modules.builtin").read_text().splitlines()}


def _dependencies(modules: Path) -> dict[str, list[str]]:
    lines = (line.split(":", 1) for line in (modules / "modules.dep").read_text().splitlines())
    return {path: needed.split() for path, needed in lines}
