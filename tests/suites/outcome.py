# SPDX-License-Identifier: Apache-2.0
"""The results of a test program: read from its JUnit file, or from its output if there is none.

A program that ends with an error but names no failed test, or that leaves no file, is itself a
failure.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Outcome:
    """The names of the tests that passed, failed and were skipped."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    # Of failed and skipped tests, as far as they are known.
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return len(self.passed) + len(self.failed) + len(self.skipped)

    def add(self, other: Outcome) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.reasons |= other.reasons


def of_program(program: str, status: int, junit: Path, output: str) -> Outcome:
    """The outcome of `program`. `status` is its exit status; a signal is -N or 128 + N."""
    if (outcome := _from_junit(junit)) is None:
        outcome = from_output(output)
        outcome.failed.append(f"{program} {_ending(status)} and left no results")
    elif status != 0 and not outcome.failed:
        outcome.failed.append(f"{program} {_ending(status)}, though no test of it failed")
    elif outcome.total == 0:
        outcome.failed.append(f"{program} has no tests")
    return outcome


def _ending(status: int) -> str:
    number = -status if status < 0 else status - 128
    return f"was killed by signal {number}" if 0 < number < 65 else f"ended with {status}"


def _from_junit(path: Path) -> Outcome | None:
    try:
        root = xml.parse(path).getroot()
    except (OSError, xml.ParseError):
        return None
    outcome = Outcome()
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        for note in (*case.iter("failure"), *case.iter("skipped")):
            outcome.reasons.setdefault(name, note.get("message", "").strip())
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed.append(name)
        elif case.get("result") == "completed":
            outcome.passed.append(name)
        else:  # skipped while it ran, or disabled
            outcome.skipped.append(name)
    return outcome


_VERDICT = re.compile(
    r"^\[ +(OK|FAILED|SKIPPED|RUN) +\] ([^\s,(]+)(?:,.*)?(?: \(\d+ ms\))?$", re.MULTILINE
)


def from_output(output: str) -> Outcome:
    """The outcome from GoogleTest's output: the files of a guest that died are lost."""
    outcome = Outcome()
    running: str | None = None
    for verdict, name in _VERDICT.findall(output.replace("\r", "")):
        if verdict == "RUN":
            running = name
        elif name == running:  # the summary at the end repeats names
            ended = {"OK": outcome.passed, "FAILED": outcome.failed, "SKIPPED": outcome.skipped}
            ended[verdict].append(name)
            running = None
    if running:
        outcome.failed.append(f"{running} (running at the end)")
    return outcome
