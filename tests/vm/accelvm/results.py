# SPDX-License-Identifier: Apache-2.0
"""Reads the guest's report: the protocol that init.sh speaks on the port "accel.report"."""

from __future__ import annotations

import enum
import hashlib
import io
import tarfile
from pathlib import Path


class Stage(enum.IntEnum):
    """The progress of the guest."""

    BOOT = 0
    UP = 1
    READY = 2  # modules are loaded, the command runs
    ENDED = 3  # the command ended, results follow
    DONE = 4  # the report is complete


class Report:
    """Reads a growing report."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._position = 0
        self._archive_size: int | None = None
        self._archive_hash = ""
        self._archive = b""
        self.stage = Stage.BOOT
        self.failure: tuple[str, str] | None = None  # module, device or unload, and its name
        self.status: int | None = None
        self.tainted: int | None = None
        self.corrupt = False

    def feed(self, data: bytes) -> None:
        """Reads the next piece."""
        self._data += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Consumes the next line or the archive, if it is complete."""
        if self._archive_size is not None and not self._archive:
            archive = bytes(self._data[self._position : self._position + self._archive_size])
            if len(archive) < self._archive_size:
                return False
            self._archive = archive
            self._position += self._archive_size
            self.corrupt |= hashlib.sha256(archive).hexdigest() != self._archive_hash
        end = self._data.find(b"\n", self._position)
        if end < 0:
            return False
        line = self._data[self._position : end].decode(errors="replace")
        self._position = end + 1
        self._line(line.split())
        return True

    def _line(self, words: list[str]) -> None:
        match words:
            case ["up"]:
                self.stage = Stage.UP
            case ["ready"]:
                self.stage = Stage.READY
            case ["failed", what, name]:
                self.failure = self.failure or (what, name)
            case ["exit", status] if status.isdecimal():
                self.stage = Stage.ENDED
                self.status = int(status)
            case ["tainted", mask] if mask.isdecimal():
                self.tainted = int(mask)
            case ["files", size, digest] if size.isdecimal():
                self._archive_size, self._archive_hash = int(size), digest
            case ["end"] if self._archive and self.status is not None and self.tainted is not None:
                self.stage = Stage.DONE
            case _:
                self.corrupt = True

    def unpack(self, folder: Path) -> None:
        """Writes the files of /results into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(self._archive)) as archive:
            for member in archive:
                # The guest is not trusted: only plain files below `folder` are written.
                path = (folder / member.name).resolve()
                if member.isfile() and path.is_relative_to(folder.resolve()):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    content = archive.extractfile(member)
                    path.write_bytes(content.read() if content else b"")
