# SPDX-License-Identifier: Apache-2.0
"""Finds complaints in kernel messages: holds the patterns of everything that must not appear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Each match is a bug of the module or of the card. Lines of the harness itself and the kernel's
# command line never match: see _OURS. A crash of a program in the guest ("segfault at") is no
# complaint of the kernel; the program's parent judges it.
COMPLAINTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\bWARNING: ",
        r"\bBUG: ",
        r"kernel BUG at ",
        r"\bOops: ",
        r"\bKASAN: |\bKCSAN: |\bKFENCE: |\bUBSAN: |\bODEBUG: |\bDMA-API: ",
        r"Internal error: ",
        r"general protection fault[,:]",
        r"unable to handle (kernel|page fault)",
        r"double fault|invalid opcode: |divide error: |stack segment: ",
        r"possible (recursive|circular) locking ",
        r"possible irq lock inversion|inconsistent lock state|bad unlock balance",
        r"INFO: suspicious RCU usage|suspicious RCU usage",
        r"INFO: task .* blocked for more than",
        r"self-detected stall|detected stalls on CPUs|rcu: .*stall",
        r"soft lockup|hard LOCKUP|workqueue lockup",
        r"sleeping function called from invalid context|scheduling while atomic",
        r"refcount_t: ",
        r"list_(add|del) corruption",
        r"Bad page (state|map)|bad page table|bad rss-counter",
        r"unreferenced object ",
        r"DMAR: \[DMA |DMAR: .*fault|AMD-Vi: .*IO_PAGE_FAULT",
        r"irq \d+: nobody cared|Disabling IRQ #",
        r"AER: .*(error|Error).* (received|severity)",
        r"trying to register non-static key",
        r"lock held when returning to user space|still has locks held",
        r"Unknown symbol ",
        r"sysfs: cannot create duplicate|kobject_add_internal failed",
        r"Out of memory: Killed|page allocation failure",
    )
)
# A booting kernel patches its own code. QEMU without KVM may then execute a byte on a second
# processor that is already replaced. No module is loaded at that time, so it is no result.
MISPATCHED = re.compile(r"\bint3: 0000 \[#1\]")
PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
_OURS = re.compile(
    r"^(?:\[ *\d+\.\d+\] )?"
    r"(?:accel-vm: |Command line: |Kernel command line: |Unknown kernel command line )"
)
_RUNNING = re.compile(r"accel-vm: running (\S+)")


@dataclass(frozen=True)
class Complaint:
    """A line that must not appear, and the program that ran at that time."""

    line: str
    running: str | None

    def __str__(self) -> str:
        return f"'{self.line}'" + (f" while {self.running} ran" if self.running else "")


class Watcher:
    """Reads a growing console, whole or in pieces, and keeps what it found."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = tuple(re.compile(pattern) for pattern in allowed)
        self._rest = ""
        self._running: str | None = None
        self.complaint: Complaint | None = None
        self.panic: str | None = None
        self.mispatched = False

    def feed(self, text: str) -> None:
        """Reads the next piece of the console; an incomplete line waits for its end."""
        *lines, self._rest = (self._rest + text).split("\n")
        self._judge(lines)

    def finish(self) -> None:
        """Ends the console: the last line counts even without a newline."""
        self._judge([self._rest])
        self._rest = ""

    def _judge(self, lines: Iterable[str]) -> None:
        for line in (raw.rstrip("\r") for raw in lines):
            if running := _RUNNING.search(line):
                self._running = running[1]
            if _OURS.search(line):
                continue
            self.mispatched |= bool(MISPATCHED.search(line))
            if not self.panic and (panic := PANIC.search(line)):
                self.panic = panic[1]
            if not self.complaint and self._is_complaint(line):
                self.complaint = Complaint(re.sub(r"^\[ *\d+\.\d+\] ", "", line), self._running)

    def _is_complaint(self, line: str) -> bool:
        return any(pattern.search(line) for pattern in COMPLAINTS) and not any(
            pattern.search(line) for pattern in self._allowed
        )


# An unsigned out-of-tree module sets these two bits. Any other bit is a fault or hides one: a
# proprietary or forced module turns lock checking off.
TAINT_OUT_OF_TREE = 1 << 12
TAINT_UNSIGNED = 1 << 13


def bad_taint(tainted: int) -> int:
    """The bits of /proc/sys/kernel/tainted that must not be set at the end of a run."""
    return tainted & ~(TAINT_OUT_OF_TREE | TAINT_UNSIGNED)
