# SPDX-License-Identifier: Apache-2.0
"""Gets a stock Debian kernel without installing it, and keeps the files that a guest boots from.

The debug kernel is the exception: debug_kernel.py builds it. The default is the kernel whose
headers are installed, because the driver is built against them. The kernel in the user's cache is
always complete: it is assembled in a temporary folder, which is then renamed.
"""

from __future__ import annotations

import bz2
import contextlib
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

from . import debug_kernel
from .archive import Archive, cache_root, run
from .verdict import Verdict, VmError

# The modules that are kept for guests, with their dependencies. All 4,000 would take 400 MB.
# After a change of this list, the kernel is downloaded again.
KEPT_MODULES = (
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "nvme",
    "9p",
    "9pnet_virtio",
    "aer_inject",
    "vfio-pci",
    "msr",
    "vgem",
    "fuse",
)


DEFAULT_FLAVOR = "amd64"
# The newest kernel of Debian. Its modules need the compiler of its archive (sid.py).
NEWEST = "sid"
# Named kernels: the archive and the flavor. The driver is tested on each, as
# docs/project/testing.md describes.
NAMED = {
    "6.1": ("stable", "amd64"),
    "rt": ("stable", "rt-amd64"),
    "6.12": ("backports", "amd64"),
    NEWEST: ("sid", "amd64"),
}


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel in the cache."""

    release: str
    folder: Path

    @property
    def image(self) -> Path:
        """The file that QEMU boots."""
        name = "bzImage" if debug_kernel.is_release(self.release) else "vmlinux"
        return self.folder / name

    @property
    def modules(self) -> Path:
        return self.folder / "lib/modules" / self.release

    def module_closure(self, name: str) -> list[Path]:
        """The files to insmod for module `name`, in order; empty if it is built in."""
        if name.replace("-", "_") in _builtin(self.modules):
            return []
        dependencies = _dependencies(self.modules)
        for path, needed in dependencies.items():
            if _module_name(path) == name.replace("-", "_"):
                return [self.modules / p for p in [*reversed(needed), path]]
        raise VmError(
            Verdict.SETUP,
            f"kernel {self.release} as cached in {self.folder} has no module {name}: "
            "add it to KEPT_MODULES in tests/vm/accelvm/kernel.py",
        )


def default_release() -> str:
    """The release to use: ACCEL_KERNEL, or else that of the newest installed headers."""
    return release_of(os.environ.get("ACCEL_KERNEL") or DEFAULT_FLAVOR)


def release_of(name: str) -> str:
    """The release for a name.

    A name is one of NAMED, "debug", a flavor (the end of a meta package's name: rt-amd64), or a
    release (6.1.0-56-amd64).
    """
    if name == debug_kernel.NAME:
        return debug_kernel.release()
    if name not in NAMED and name[0].isdigit():
        return name
    archive, flavour = NAMED.get(name, ("", name))
    release = None if name == NEWEST else installed_release(flavour)
    if release and (archive != "backports") == release.startswith("6.1."):
        return release
    if name in NAMED:
        return newest_release(Archive(archive), flavour)
    if release:
        return release
    if name == DEFAULT_FLAVOR:
        reason = f"kernel headers are not installed (linux-headers-{flavour}): run 'make setup'"
    else:
        names = ", ".join([*NAMED, debug_kernel.NAME])
        reason = (
            f"there is no kernel '{name}': give {names}, a release (6.1.0-56-amd64), or a flavor "
            "whose headers are installed (cloud-amd64)"
        )
    raise VmError(Verdict.SETUP, reason)


def installed_release(flavour: str) -> str | None:
    """The release of the headers that the installed meta package of this flavor depends on."""
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Depends}", f"linux-headers-{flavour}"],
        capture_output=True,
        text=True,
        check=False,
    )
    match = _HEADERS.search(query.stdout) if query.returncode == 0 else None
    return match[1] if match else None


def newest_release(archive: Archive, flavour: str) -> str:
    """The release of the headers that the archive's meta package of this flavor depends on."""
    package = f"linux-headers-{flavour}"
    match = _HEADERS.search(archive.depends(package))
    if not match:
        raise VmError(Verdict.SETUP, f"the archive's {package} names no release")
    return match[1]


_HEADERS = re.compile(r"linux-headers-(\d\S*)")


def get(name: str | None = None) -> Kernel:
    """The kernel of that name; it is downloaded or built if it is not in the cache."""
    release = release_of(name) if name else default_release()
    if debug_kernel.is_release(release):
        return Kernel(release, debug_kernel.get(release))
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
        except OSError:  # another process was faster
            if not stamp.is_file():
                raise
    return kernel


def _download(release: str, scratch: Path) -> list[Path]:
    """The packages with the kernel's image and its modules."""
    package = f"linux-image-{release}"
    try:
        run(["apt-get", "-o", "APT::Sandbox::User=root", "download", package], "", cwd=scratch)
    except VmError:  # the machine's apt does not have this package
        archive = archive_of(package)
        if not archive:
            raise VmError(
                Verdict.SETUP,
                f"Debian's archive has no {package}; if a newer one has replaced it, "
                "run 'sudo apt-get update' and 'make setup'",
            ) from None
        # Newer releases split the package.
        parts = re.findall(r"linux-(?:base|binary|modules)-[^\s,]+", archive.depends(package))
        archive.download([package, *parts], scratch)
    return sorted(scratch.glob("linux-*.deb"))


def archive_of(package: str) -> Archive | None:
    """The first archive that has this package."""
    for name in dict.fromkeys(archive for archive, _ in NAMED.values()):
        archive = Archive(name)
        with contextlib.suppress(VmError):
            if archive.version(package):
                return archive
    return None


def _unpack(release: str, packages: list[Path], scratch: Path) -> Path:
    tree = scratch / "tree"
    for package in packages:
        run(["dpkg-deb", "-x", str(package), str(tree)], f"cannot unpack {package.name}")
    if not (tree / "lib").is_dir():  # newer releases ship /usr/lib
        (tree / "lib").symlink_to("usr/lib")
    depmod = shutil.which("depmod", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not depmod:
        raise VmError(Verdict.SETUP, "depmod is not installed (package kmod): run 'make setup'")
    run([depmod, "-b", str(tree), release], "depmod failed")
    return tree


def _pick(release: str, tree: Path, result: Path) -> None:
    """Copies the files that a guest needs from the unpacked package."""
    modules, kept = tree / "lib/modules" / release, result / "lib/modules" / release
    kept.mkdir(parents=True)
    image = tree / f"boot/vmlinuz-{release}"
    if not image.is_file():  # newer releases ship it with the modules
        image = modules / "vmlinuz"
    (result / "vmlinux").write_bytes(_extract_vmlinux(image.read_bytes()))
    shutil.copy(modules / "modules.builtin", kept)
    wanted = {name.replace("-", "_") for name in KEPT_MODULES}
    lines = []
    for path, needed in _dependencies(modules).items():
        if _module_name(path) not in wanted:
            continue
        plain = [file.removesuffix(".xz") for file in (path, *needed)]
        lines.append(f"{plain[0]}: {' '.join(plain[1:])}\n")
        for packed, file in zip((path, *needed), plain, strict=True):
            (kept / file).parent.mkdir(parents=True, exist_ok=True)
            data = (modules / packed).read_bytes()
            (kept / file).write_bytes(lzma.decompress(data) if packed != file else data)
    (kept / "modules.dep").write_text("".join(lines))


def _extract_vmlinux(image: bytes) -> bytes:
    """The ELF file in a bzImage. Booting it through PVH saves 3 s of emulated decompression."""
    if image[0x202:0x206] != b"HdrS":
        raise VmError(Verdict.SETUP, "the kernel image is not a bzImage")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset :][:length]
    if payload.startswith(b"\xfd7zXZ\0"):
        vmlinux = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        vmlinux = gzip.decompress(payload)
    elif payload.startswith(b"BZh"):
        vmlinux = bz2.BZ2Decompressor().decompress(payload)
    elif payload.startswith(b"\x28\xb5\x2f\xfd"):
        if not shutil.which("zstd"):
            raise VmError(
                Verdict.SETUP, "zstd is not installed: run 'tools/setup/packages.sh kernels'"
            )
        vmlinux = subprocess.run(
            ["zstd", "-dc"],
            input=payload,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        ).stdout
    else:
        raise VmError(Verdict.SETUP, "the kernel image has an unknown compression format")
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
