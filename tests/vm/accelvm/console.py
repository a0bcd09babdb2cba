# SPDX-License-Identifier: Apache-2.0
"""Judges kernel messages: the one place that knows what a kernel says when something is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Each would be a bug of the module or of the card. A line of the harness itself or the kernel's command line, which
# the kernel prints, cannot match: see _OURS. What a program in the guest does wrong ("segfault at") is not the kernel's
# complaint; whoever started the program judges it.
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
        r"trying to register non-static key|lock held when returning to user space|still has locks held",
        r"Unknown symbol ",
        r"sysfs: cannot create duplicate|kobject_add_internal failed",
        r"Out of memory: Killed|page allocation failure",
    )
)
# Kernels patch their code while they boot, and on a second processor QEMU without KVM may run a byte that is no longer
# there. No module is loaded then, so it tells nothing about one.
MISPATCHED = re.compile(r"\bint3: 0000 \[#1\]")
PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
_OURS = re.compile(
    r"^(?:\[ *\d+\.\d+\] )?(?:accel-vm: |Command line: |Kernel command line: |Unknown kernel command line )"
)
_RUNNING = re.compile(r"accel-vm: running (\S+)")


@dataclass(frozen=True)
class Complaint:
    """A line that must not be there, and what ran when it came."""

    line: str
    running: str | None

    def __str__(self) -> str:
        return f"'{self.line}'" + (f" while {self.running} ran" if self.running else "")


class Watcher:
    """Reads a console as it grows. Feed it whole or in pieces; what it found, it keeps."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = tuple(re.compile(pattern) for pattern in allowed)
        self._rest = ""
        self._running: str | None = None
        self.complaint: Complaint | None = None
        self.panic: str | None = None
        self.mispatched = False

    def feed(self, text: str) -> None:
        """Takes the next piece of the console; a line that is not complete waits for its end."""
        *lines, self._rest = (self._rest + text).split("\n")
        self._judge(lines)

    def finish(self) -> None:
        """The console has ended: the last line counts even without a newline."""
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


# What an out-of-tree module that nobody signed sets. Everything else is a fault, or hides one: a proprietary or forced
# module turns lock checking off.
TAINT_OUT_OF_TREE = 1 << 12
TAINT_UNSIGNED = 1 << 13


def bad_taint(tainted: int) -> int:
    """The bits of /proc/sys/kernel/tainted that no run may end with."""
    return tainted & ~(TAINT_OUT_OF_TREE | TAINT_UNSIGNED)
