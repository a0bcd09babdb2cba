# SPDX-License-Identifier: Apache-2.0
"""The perf gate: compares the cost of a job in a few cases with the recorded cost.

The costs are counts, not times. The same program executes the same instructions on any machine, so
a rise means that the code changed.

    tests/bench/perf_gate.py --build build --gtest_output=xml:FILE     as `make test` runs it
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import boot, measure

RECORD = Path(__file__).resolve().parents[1] / "perf_gate.json"
PROGRAMS = ["calibrate", "jobs", "waits", "lists"]
# Cases whose counts do not depend on when an interrupt arrives.
CASES = (
    "calibrate.loop",
    "getppid",
    "accel.submit.32",
    "accel.submit.1",
    "accel.submit.fresh.32",
    "accel.copy.64k",
    "accel.busy.32",
    "accel.uring.32",
    "accel.sleep.1",
    "accel.sleep.32",
    "accel.list.node",
    "accel.list.single",
)
KINDS = ("instructions", "user", "calls", "doorbells", "interrupts")
TOLERANCE = 0.03
# Smaller differences are noise: a tick of the guest's clock hits one run and not another.
FLOOR = {"instructions": 4.0, "user": 1.0, "calls": 0.002, "doorbells": 0.002, "interrupts": 0.002}
KERNEL = "kernel"  # key of the kernel release in the record
FUNCTIONS = 12

Counts = dict[str, Any]  # counts by case, and the kernel release


def count(settings: boot.Settings) -> tuple[Counts, list[str]]:
    """Boots once. Returns the counts a job for each case, and the errors of all cases."""
    cases = measure.collect([boot.run(settings)])
    counts = {
        name: {
            **{kind: round(cases[name].median(kind), 3) for kind in KINDS},
            "functions": {
                function: round(n, 1)
                for function, n in list(cases[name].functions().items())[:FUNCTIONS]
            },
        }
        for name in CASES
        if name in cases
    }
    return counts, [f"{case.name}: {error}" for case in cases.values() for error in case.errors]


def compare(
    was: dict[str, Any], now: dict[str, Any], same_kernel: bool
) -> tuple[list[str], list[str]]:
    """The counts that rose, with the functions that grew, and the counts that fell.

    A kernel other than the record's executes other instructions; these are not compared.
    """
    rose, fell = [], []
    for kind in KINDS if same_kernel else KINDS[1:]:
        before, after = was[kind], now[kind]
        margin = max(before * TOLERANCE, FLOOR[kind])
        line = f"{kind} a job: {before:g} recorded, {after:g} now"
        if after > before + margin:
            rose.append(line)
        elif after < before - margin:
            fell.append(line)
    if rose:
        grown = sorted(
            (
                (n - was["functions"].get(function, 0), function)
                for function, n in now["functions"].items()
            ),
            reverse=True,
        )
        rose += [
            f"    {function[2:]} ({'kernel' if function[0] == 'k' else 'user'}): {by:+.1f}"
            for by, function in grown[:5]
            if by >= 1
        ]
        rose.append("    if this rise is intended, run: make record-perf-gate")
    return rose, fell


def record(settings: boot.Settings) -> int:
    counts, errors = count(settings)
    if errors:
        print("\n".join(errors))
        return 1
    RECORD.write_text(
        json.dumps({KERNEL: settings.release, **counts}, indent=1, sort_keys=True) + "\n"
    )
    print(f"{len(counts)} cases are in {RECORD}")
    return 0
