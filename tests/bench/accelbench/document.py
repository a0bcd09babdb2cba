# SPDX-License-Identifier: Apache-2.0
"""Updates the tables of a Markdown page from the results of a run, and draws its plots.

A table is between `<!-- begin:NAME -->` and `<!-- end:NAME -->`. The rest of the page stays as it
is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import link, plot
from .table import number, rows_to_markdown

Json = dict[str, Any]


def _value(case: Json, what: str = "value") -> float:
    return float(case[what]["median"])


def _rows(results: Json) -> str:
    lines = [["#", "what", "ours", "spread", "right", "peer", "floor", "must", "aim", "met"]]
    for row in results["rows"]:
        digits = _digits(row["ours"])
        spread = (
            row["spread"]
            and f"{number(row['spread'][0], digits)} … {number(row['spread'][1], digits)}"
        )
        lines.append(
            [
                row["row"],
                row["what"],
                number(row["ours"], digits),
                spread or "-",
                "yes" if row["verified"] else "**no**",
                f"{number(row['peer'], digits)} {row['peer_name']}"
                if row["peer"] is not None
                else "-",
                number(row["floor"], digits),
                number(row["must"], _digits(row["must"])),
                number(row["aim"], _digits(row["aim"])),
                f"**{row['met']}**" if row["met"] == "MISSED" else row["met"],
            ]
        )
    return rows_to_markdown(lines)


def _digits(value: float | None) -> int:
    if value is None or value >= 1000 or value == 0:
        return 0
    return 1 if value >= 10 else 2 if value >= 0.1 else 3


def _counts(results: Json) -> str:
    lines = [
        [
            "case",
            "instructions",
            "user",
            "kernel",
            "system calls",
            "interrupts",
            "doorbells",
            "right",
        ]
    ]
    for name, case in results["cases"].items():
        if "instructions" in case and not name.startswith("calibrate"):
            lines.append(
                [
                    name,
                    *(number(_value(case, what), 1) for what in ("instructions", "user", "kernel")),
                    *(
                        number(_value(case, what), 3)
                        for what in ("calls", "interrupts", "doorbells")
                    ),
                    "yes" if case["verified"] else "**no**",
                ]
            )
    return _first_column(lines)


def _first_column(lines: list[list[str]]) -> str:
    table = rows_to_markdown(lines).splitlines()
    table[1] = "|---|" + "---:|" * (len(lines[0]) - 1)
    return "\n".join(table)


def _latency(results: Json) -> str:
    ranks = ("min", "p50", "p90", "p99", "p99.9", "max")
    lines = [["ns", *ranks]]
    for name, case in results["cases"].items():
        if "values" in case:
            lines.append(
                [name.removeprefix("accel."), *(number(case["values"][rank], 0) for rank in ranks)]
            )
    return _first_column(lines)


def _series(results: Json, prefix: str, key: str) -> list[tuple[int, float]]:
    found = [
        (case[key], _value(case))
        for name, case in results["cases"].items()
        if name.startswith(prefix) and "value" in case
    ]
    return sorted(found)


def _rate(results: Json) -> str:
    series = _series(results, "accel.rate.", "depth")
    return _first_column(
        [
            ["in flight", *(str(depth) for depth, _ in series)],
            ["jobs/s", *(number(rate, 0) for _, rate in series)],
        ]
    )


def _bandwidth(results: Json) -> str:
    ways = [dict(_series(results, f"accel.link.{way}.", "bytes")) for way in ("h2d", "d2h", "both")]
    lines = [
        [
            "size",
            "to the card, GB/s",
            "of the model",
            "from the card",
            "of the model",
            "both at once",
        ]
    ]
    for size in ways[0]:
        lines.append(
            [
                f"{size // 1024} KiB",
                number(ways[0][size], 3),
                f"{100 * ways[0][size] / link.read_rate(size):.1f} %",
                number(ways[1][size], 3),
                f"{100 * ways[1][size] / link.write_rate(size):.1f} %",
                number(ways[2][size], 3),
            ]
        )
    return _first_column(lines)


def _batch(results: Json) -> str:
    series = _series(results, "accel.serving.batch.", "batch")
    return _first_column(
        [
            ["batch", *(str(batch) for batch, _ in series)],
            ["samples/s", *(number(rate, 0) for _, rate in series)],
        ]
    )


TABLES: dict[str, Callable[[Json], str]] = {
    "rows": _rows,
    "counts": _counts,
    "latency": _latency,
    "rate": _rate,
    "bandwidth": _bandwidth,
    "batch": _batch,
}


def plots(results: Json) -> dict[str, str]:
    """The plots by file name; a plot without measured cases is omitted."""
    cases = results["cases"]
    drawn = {}
    bars = [
        (label, _value(cases[name], "instructions"), kind)
        for label, name, kind in (
            ("NVMe ioctl, depth 1", "nvme.ioctl.1", "b"),
            ("NVMe uring_cmd, batch of 32", "nvme.uring_cmd.32", "b"),
            ("NVMe block io_uring, batch of 32", "block.uring.32", "b"),
            ("ours, sleeping in the ioctl", "accel.sleep.1", "a"),
            ("ours, waiting by io_uring", "accel.uring.32", "a"),
            ("ours, user queue, depth 1", "accel.submit.1", "a"),
            ("ours, user queue, batch of 32", "accel.submit.32", "a"),
            ("io_uring NOP, batch of 32", "nop.32", "c"),
            ("no driver, depth 1", "floor.1", "c"),
            ("no driver, batch of 32", "floor.32", "c"),
        )
        if name in cases
    ]
    if bars:
        drawn["performance-instructions.svg"] = plot.bars("Guest instructions a job of 4 KiB", bars)
    reads, writes = (_series(results, f"accel.link.{way}.", "bytes") for way in ("h2d", "d2h"))
    if reads and writes:
        drawn["performance-bandwidth.svg"] = plot.lines(
            "Bandwidth by size, Gen 3 x8, payload of 256 bytes",
            "GB/s by bytes a copy, virtual time",
            [f"{size // 1024}K" for size, _ in reads],
            [
                ("to the card", [rate for _, rate in reads], "a"),
                ("from the card", [rate for _, rate in writes], "b"),
            ],
            ("coded rate", 8 * 8 * 128 / 130 / 8),
        )
    batches = _series(results, "accel.serving.batch.", "batch")
    if batches:
        drawn["performance-batch.svg"] = plot.lines(
            "Batch size against rate",
            "samples a second by batch size, virtual time",
            [str(batch) for batch, _ in batches],
            [("MLP", [rate for _, rate in batches], "a")],
            ("link", link.read_rate(1 << 20) * 1e9 / 3136),
        )
    return drawn


def _replaced(table: str, match: re.Match[str]) -> str:
    return f"{match[1]}{table}\n{match[2]}"


def fill(page: Path, results: Json) -> None:
    """Writes the page, and its plots into the same folder."""
    text = page.read_text()
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- begin:{name} -->\n).*?(<!-- end:{name} -->)", re.DOTALL)
        table = make(results)
        text = pattern.sub(partial(_replaced, table), text)
    page.write_text(text)
    for file, drawing in plots(results).items():
        (page.parent / file).write_text(drawing)
