# SPDX-License-Identifier: Apache-2.0
"""Known complaints: messages that the kernel prints without our driver, too.

A file of known complaints (../debug/known.toml) has an entry for each: the complaint, the trace
that must be in the same report, the reason, and the control, which provokes the complaint without
our driver. A report without that trace is a complaint like any other.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .verdict import Verdict, VmError

FIELDS = {"name", "complaint", "trace", "reason", "control", "control_trace"}


@dataclass(frozen=True)
class Known:
    """A known complaint of the kernel."""

    name: str
    complaint: re.Pattern[str]
    trace: re.Pattern[str]
    reason: str
    control: str

    def matches(self, complaints: Sequence[str], report: Sequence[str]) -> bool:
        """True if all complaints of a report are this one, and the report has the trace."""
        return all(self.complaint.search(line) for line in complaints) and any(
            self.trace.search(line) for line in report
        )


def read(path: Path, *, controls: bool = False) -> list[Known]:
    """The entries of a file; with `controls`, the traces are those of the controls."""
    try:
        entries = tomllib.loads(path.read_text())["known"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise VmError(Verdict.SETUP, f"cannot read known complaints from {path}: {error}") from None
    known = []
    for entry in entries:
        if entry.keys() - FIELDS or FIELDS - {"control_trace"} - entry.keys():
            raise VmError(Verdict.SETUP, f"{path}: an entry needs {', '.join(sorted(FIELDS))}")
        trace = entry.get("control_trace", entry["trace"]) if controls else entry["trace"]
        known.append(
            Known(
                entry["name"],
                re.compile(entry["complaint"]),
                re.compile(trace),
                entry["reason"],
                entry["control"],
            )
        )
    return known
