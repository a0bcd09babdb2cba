# SPDX-License-Identifier: Apache-2.0
"""Reads the plugin's counts, and finds the functions at the counted addresses.

The plugin counts executed instructions by address and register accesses by device.
"""

from __future__ import annotations

import bisect
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

KERNEL = 1 << 63  # the kernel's addresses begin here
# The entry of device interrupts; the other asm_ entries are exceptions, timers and the like.
INTERRUPT = "asm_common_interrupt"
SYSTEM_CALL = "entry_SYSCALL_64"
# Routines that copy: all their instructions count as copying by the CPU.
COPIES = re.compile(
    r"^(_?_?mem(cpy|move)(_\w+)?|copy_user_\w+|_?copy_(to|from)_iter|copy_page(_\w+)?|"
    r"_copy_(to|from)_user|rep_movs\w*|__memmove_\w+|__memcpy_\w+)$"
)


@dataclass
class Region:
    """The counts of one region: instructions by address, reads and writes by device."""

    instructions: dict[int, int] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.instructions.values())

    @property
    def kernel(self) -> int:
        return sum(count for address, count in self.instructions.items() if address >= KERNEL)


def read_regions(path: Path) -> list[Region]:
    """All regions of a boot, in the order in which they ended."""
    regions: list[Region] = []
    for line in path.read_text().splitlines():
        kind, name, *value = line.split()
        if kind == "region":
            regions.append(Region())
        elif kind == "i":
            regions[-1].instructions[int(name, 16)] = int(value[0])
        else:
            (regions[-1].reads if kind == "r" else regions[-1].writes)[name] = int(value[0])
    return regions


class Symbols:
    """Names for addresses of the kernel, its modules and the mapped programs."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._names: list[str] = []
        self._entries: dict[int, str] = {}

    def add_kernel(self, kallsyms: Path) -> None:
        for line in kallsyms.read_text().splitlines():
            address, kind, name = line.split()[:3]
            if kind in "tTwW":
                self._entries.setdefault(int(address, 16), name)
        self._sort()

    def add_program(self, maps: str, roots: list[Path]) -> None:
        """Adds the files of `maps`, a /proc/PID/maps: from `roots` by name, or from their path."""
        for line in maps.splitlines():
            parts = line.split()
            if len(parts) < 6 or "x" not in parts[1] or not parts[5].startswith("/"):
                continue
            start, offset, name = int(parts[0].split("-")[0], 16), int(parts[2], 16), Path(parts[5])
            file = next((root / name.name for root in roots if (root / name.name).is_file()), name)
            for address, symbol in _functions(file):
                self._entries.setdefault(start - offset + address, symbol)
        self._sort()

    def _sort(self) -> None:
        self._starts = sorted(self._entries)
        self._names = [self._entries[start] for start in self._starts]

    def name(self, address: int) -> str:
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0 or (address < KERNEL) != (self._starts[index] < KERNEL):
            return "?"
        return self._names[index]

    def is_entry(self, address: int) -> bool:
        return address in self._entries

    def by_function(self, region: Region) -> Counter[str]:
        """Instructions by function; the prefix is k: for the kernel and u: for user space."""
        functions: Counter[str] = Counter()
        for address, count in region.instructions.items():
            where = "k" if address >= KERNEL else "u"
            functions[f"{where}:{self.name(address)}"] += count
        return functions

    def executions(self, region: Region, function: str) -> int:
        """The number of calls of the kernel's `function`."""
        return sum(
            count
            for address, count in region.instructions.items()
            if address >= KERNEL and self._entries.get(address) == function
        )


@cache
def _functions(file: Path) -> list[tuple[int, str]]:
    """Functions of an ELF file, with addresses relative to its first segment."""
    found: dict[int, str] = {}
    for option in ([], ["-D"]):
        listing = subprocess.run(
            ["nm", "-C", "--defined-only", *option, str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        for line in listing.stdout.splitlines():
            address, kind, name = line.split(maxsplit=2)
            if kind in "tTwWi":
                found.setdefault(int(address, 16), name.split("(")[0].split("@")[0])
    return sorted(found.items())
