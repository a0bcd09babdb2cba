# SPDX-License-Identifier: Apache-2.0
"""Shows the measured rows: on the terminal, as Markdown, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .measure import Case
from .rows import ROWS, Cases, Formula, Missing, Row

PROFILED = 12  # functions shown for a missed goal


@dataclass
class Result:
    """One row: its values, or the errors that prevented them."""

    row: Row
    ours: float | None = None
    peer: float | None = None
    floor: float | None = None
    spread: tuple[float, float] | None = None
    verified: bool = False
    errors: list[str] = field(default_factory=list)
    case: Case | None = None  # its profile shows where instructions are spent

    @property
    def verdict(self) -> str:
        if self.ours is None:
            return "not measured"
        if self.row.meets(self.ours, self.row.aim):
            return "aim"
        return "must" if self.row.meets(self.ours, self.row.must) else "MISSED"


def evaluate(cases: dict[str, Case]) -> list[Result]:
    results = []
    for row in ROWS:
        result = Result(row)
        used = Cases(cases)
        try:
            result.ours = row.ours(used)
            result.case = used.used[0]
            result.errors = [f"{case.name}: {error}" for case in used.used for error in case.errors]
            result.verified = not result.errors
            result.spread = _spread(row, used.used, result.ours)
        except Missing as missing:
            result.errors = [f"{missing.args[0]} was not measured"]
        result.peer = _optional(row.peer, cases)
        result.floor = _optional(row.floor, cases)
        results.append(result)
    return results


def _optional(formula: Formula | None, cases: dict[str, Case]) -> float | None:
    try:
        return formula(Cases(cases)) if formula else None
    except Missing:
        return None


def _spread(row: Row, used: list[Case], ours: float) -> tuple[float, float]:
    """The lowest and the highest value of the row over the boots."""
    boots = min(max(len(case.samples), len(case.values)) for case in used)
    values = []
    for boot in range(boots):
        single = {
            case.name: Case(
                case.name, case.samples[boot : boot + 1], case.values[boot : boot + 1], case.line
            )
            for case in used
        }
        values.append(row.ours(Cases(single)))
    return (min(values), max(values)) if values else (ours, ours)


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _cells(result: Result) -> list[str]:
    row, digits = result.row, result.row.digits
    spread = (
        "-"
        if result.spread is None
        else f"{number(result.spread[0], digits)} … {number(result.spread[1], digits)}"
    )
    peer = number(result.peer, digits) + (f" {row.peer_name}" if result.peer is not None else "")
    return [
        row.number,
        row.what,
        number(result.ours, digits),
        spread,
        "yes" if result.verified else "NO",
        peer,
        number(result.floor, digits),
        number(row.must, digits),
        number(row.aim, digits),
        result.verdict,
    ]


HEADS = ["#", "what", "ours", "spread", "right", "peer", "floor", "must", "aim", "met"]


def text(results: list[Result]) -> str:
    lines = [HEADS, *(_cells(result) for result in results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    shown = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:]])


def markdown(results: list[Result]) -> str:
    return rows_to_markdown([HEADS, *(_cells(result) for result in results)])


def rows_to_markdown(lines: list[list[str]]) -> str:
    shown = ["| " + " | ".join(line) + " |" for line in lines]
    align = ["---"] * 2 + ["---:"] * (len(lines[0]) - 2)
    return "\n".join([shown[0], "|" + "|".join(align) + "|", *shown[1:]])


def profiles(results: list[Result]) -> str:
    """The profile of every missed goal."""
    parts = []
    for result in results:
        if result.verdict == "MISSED":
            parts.append(f"Row {result.row.number} is missed: {result.row.what}")
            if result.case is not None and result.case.samples:
                parts += [
                    f"  {count:10,.1f}  {'kernel' if name[0] == 'k' else 'user  '}  {name[2:]}"
                    for name, count in list(result.case.functions().items())[:PROFILED]
                ]
        parts += [f"Row {result.row.number}: {error}" for error in result.errors]
    return "\n".join(parts)


def to_json(results: list[Result], cases: dict[str, Case], boots: int) -> dict[str, Any]:
    return {
        "boots": boots,
        "rows": [
            {
                "row": r.row.number,
                "what": r.row.what,
                "ours": r.ours,
                "peer": r.peer,
                "peer_name": r.row.peer_name,
                "floor": r.floor,
                "must": r.row.must,
                "aim": r.row.aim,
                "spread": r.spread,
                "verified": r.verified,
                "met": r.verdict,
                "errors": r.errors,
            }
            for r in results
        ],
        "cases": {name: case.to_json() for name, case in cases.items()},
    }
