# SPDX-License-Identifier: Apache-2.0
"""Gets the headers to build a module against; headers that are not installed are cached.

Debian splits them into the configured headers of a release, the headers that its flavors share, and
kbuild's programs.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from . import debug_kernel, kernel
from .archive import Archive, cache_root, run
from .verdict import Verdict, VmError


def get(release: str) -> Path:
    """KDIR for a release: the folder to run kbuild in. Its parent is named like the release."""
    if debug_kernel.is_release(release):
        return kernel.get(release).modules / "build"
    installed = Path("/lib/modules") / release / "build"
    if installed.is_dir():
        return installed
    folder = cache_root() / f"headers-{release}"
    build = folder / "lib/modules" / release / "build"
    if build.is_dir():
        return build
    package = f"linux-headers-{release}"
    archive = kernel.archive_of(package)
    if not archive:
        raise VmError(
            Verdict.SETUP, f"Debian's archive has no {package}; a newer kernel may have replaced it"
        )
    with tempfile.TemporaryDirectory(prefix=f"headers-{release}.", dir=cache_root()) as name:
        scratch = Path(name)
        result = scratch / "result"
        for file in archive.download(parts(archive, package), scratch):
            run(["dpkg-deb", "-x", str(file), str(result)], f"cannot unpack {file.name}")
        source = f"usr/src/{package}"
        _relocate(result / source, folder)
        link = result / "lib/modules" / release / "build"
        link.unlink(missing_ok=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../{source}")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            result.rename(folder)
        except OSError:  # another process was faster
            if not build.is_dir():
                raise
    return build


def parts(archive: Archive, package: str) -> list[str]:
    """The packages of a release's headers, without the kernel and the compiler."""
    needed = re.findall(r"linux-headers-\S*-common\S*|linux-kbuild-\S+", archive.depends(package))
    return [package, *(name.rstrip(",") for name in needed)]


def _relocate(source: Path, folder: Path) -> None:
    """Debian's Makefile names paths under /usr, which are under `folder` here."""
    makefile = source / "Makefile"
    makefile.write_text(makefile.read_text().replace("/usr/", f"{folder}/usr/"))
    without_type_data(source)


def without_type_data(source: Path) -> None:
    """Removes the kernel's type data (BTF), so that no time is spent on the modules' type data."""
    (source / "vmlinux").unlink(missing_ok=True)
