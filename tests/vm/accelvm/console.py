# SPDX-License-Identifier: Apache-2.0
"""Finds complaints in kernel messages: holds the patterns of everything that must not appear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .known import Known

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
        r"\bKASAN: |\bKCSAN: |\bKFENCE: |\bUBSAN: |\bODEBUG: ",
        r"\bDMA-API: (?!preallocated|debugging (?:en|dis)abled)",
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
        r"Trying to free nonexistent resource",
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
# Files that are larger than memory end the boot. If they only exceed the limit of the root file
# system, the kernel goes on without the rest, and the first program that misses a file fails.
NO_ROOM = re.compile(
    r"Initramfs unpacking failed: write error|panic - not syncing: System is deadlocked on memory"
)
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


# A report begins with the first of these lines or with a complaint, and ends with one of the second
# kind or after REPORT_LINES. The kernel prints the trace of a DMA mapping after its report.
_REPORT_BEGINS = re.compile(
    r"\[ cut here \]|FAULT_INJECTION: forcing a failure|unreferenced object "
)
_REPORT_ENDS = re.compile(r"---\[ end trace |^=+$|^accel-vm: ")
_REPORT_GOES_ON = re.compile(r"DMA-API: Mapped at:")
REPORT_LINES = 250
_TIME = re.compile(r"^\[ *\d+\.\d+\] ")


class Watcher:
    """Reads a growing console, whole or in pieces, and keeps what it found.

    With a list of known complaints, it collects the lines of each report before it judges. Without
    one, it judges each line at once.
    """

    def __init__(self, allowed: Sequence[str] = (), known: Sequence[Known] = ()) -> None:
        self._allowed = tuple(re.compile(pattern) for pattern in allowed)
        self._known = tuple(known)
        self._rest = ""
        self._running: str | None = None
        self._report: list[str] = []
        self.complaint: Complaint | None = None
        self.panic: str | None = None
        self.mispatched = False
        self.no_room = False  # the guest's memory is too small for its files
        self.silent = True  # nothing was printed yet, not even by the firmware
        self.known_seen: dict[str, int] = {}  # by the name of the known complaint

    def feed(self, text: str) -> None:
        """Reads the next piece of the console; an incomplete line waits for its end."""
        self.silent = self.silent and not text
        *lines, self._rest = (self._rest + text).split("\n")
        self._judge(lines)

    def finish(self) -> None:
        """Ends the console: the last line counts even without a newline."""
        self._judge([self._rest])
        self._rest = ""
        self._end_report()

    def _judge(self, lines: Iterable[str]) -> None:
        for line in (raw.rstrip("\r") for raw in lines):
            if running := _RUNNING.search(line):
                self._running = running[1]
            text = _TIME.sub("", line)
            if _OURS.search(line):
                if self._known and _REPORT_ENDS.search(text):
                    self._end_report()
                continue
            self.mispatched |= bool(MISPATCHED.search(line))
            self.no_room |= bool(NO_ROOM.search(line))
            if not self.panic and (panic := PANIC.search(line)):
                self.panic = panic[1]
            if self._known:
                self._collect(text)
            elif self._is_complaint(line):
                self._complain(text)

    def _collect(self, text: str) -> None:
        """Adds a line to the current report, or begins one."""
        if _REPORT_BEGINS.search(text):
            self._end_report()
            self._report = [text]
        elif self._report:
            self._report.append(text)
            if _REPORT_ENDS.search(text) or len(self._report) >= REPORT_LINES:
                self._end_report()
        elif self._is_complaint(text) and not _REPORT_GOES_ON.search(text):
            self._report = [text]

    def _end_report(self) -> None:
        report, self._report = self._report, []
        complaints = [line for line in report if self._is_complaint(line)]
        if not complaints:
            return
        for known in self._known:
            if known.matches(complaints, report):
                self.known_seen[known.name] = self.known_seen.get(known.name, 0) + 1
                return
        self._complain(complaints[0])

    def _complain(self, text: str) -> None:
        if not self.complaint:
            self.complaint = Complaint(text, self._running)

    def _is_complaint(self, line: str) -> bool:
        return any(pattern.search(line) for pattern in COMPLAINTS) and not any(
            pattern.search(line) for pattern in self._allowed
        )


# An unsigned out-of-tree module sets these two bits. Any other bit is a fault or hides one: a
# proprietary or forced module turns lock checking off.
TAINT_OUT_OF_TREE = 1 << 12
TAINT_UNSIGNED = 1 << 13
# A WARNING and a report of KASAN set these, known ones too.
TAINT_WARNING = 1 << 9
TAINT_BAD_PAGE = 1 << 5


def bad_taint(tainted: int, *, known: bool = False) -> int:
    """The bits of /proc/sys/kernel/tainted that must not be set at the end of a run.

    `known` says that the kernel made a known complaint.
    """
    expected = TAINT_OUT_OF_TREE | TAINT_UNSIGNED
    if known:
        expected |= TAINT_WARNING | TAINT_BAD_PAGE
    return tainted & ~expected
