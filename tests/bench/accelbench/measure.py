# SPDX-License-Identifier: Apache-2.0
"""Combines boots: the cost a job of each case over all boots, and the errors in its results."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from .boot import Boot
from .profile import COPIES, INTERRUPT, SYSTEM_CALL, Region

# The plugin's count and the guest's clock may differ by this: the instructions around the markers
# of a region and of each pause.
SLACK = 64
SLACK_PAUSE = 16
PROFILE = 60  # functions kept of a case's profile


MEASURES = (
    "instructions",
    "user",
    "kernel",
    "calls",
    "interrupts",
    "reads",
    "writes",
    "doorbells",
    "copied",
)
# The most bytes that one instruction of a copying routine moves: a copy of the payload needs at
# least so many instructions.
COPY_WIDTH = 64


@dataclass
class Sample:
    """One case in one boot, per job."""

    instructions: float
    user: float
    kernel: float
    calls: float
    interrupts: float
    reads: float  # of device registers
    writes: float  # to device registers
    doorbells: float  # the writes to the card's doorbells
    nvme_writes: float  # the writes to the NVMe controller
    copied: float  # upper bound of the bytes that the CPU copied
    functions: dict[str, float]


@dataclass
class Case:
    """A case over all boots. It has samples if its regions were counted, values otherwise."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    line: dict[str, Any] = field(default_factory=dict)  # of the last boot
    errors: list[str] = field(default_factory=list)

    @property
    def verified(self) -> bool:
        return not self.errors

    def median(self, what: str = "instructions") -> float:
        return statistics.median(self._all(what))

    def spread(self, what: str = "instructions") -> tuple[float, float]:
        return min(self._all(what)), max(self._all(what))

    def _all(self, what: str) -> list[float]:
        return [getattr(sample, what) for sample in self.samples] if self.samples else self.values

    def functions(self) -> dict[str, float]:
        """The profile of the median boot."""
        middle = sorted(self.samples, key=lambda sample: sample.instructions)[
            len(self.samples) // 2
        ]
        return middle.functions

    def to_json(self) -> dict[str, Any]:
        known = {
            key: value
            for key, value in self.line.items()
            if key not in ("case", "tsc", "counted", "verified")
        }
        result: dict[str, Any] = {"verified": self.verified, **known}
        if self.errors:
            result["errors"] = self.errors
        if self.samples:
            for what in MEASURES:
                low, high = self.spread(what)
                result[what] = {"median": self.median(what), "min": low, "max": high}
            result["functions"] = self.functions()
        elif self.values:
            low, high = self.spread()
            result["value"] = {"median": self.median(), "min": low, "max": high}
        return result


def collect(boots: list[Boot]) -> dict[str, Case]:
    """All cases by name."""
    cases: dict[str, Case] = {}
    for boot in boots:
        regions = iter(boot.counted())
        for line in boot.lines:
            case = cases.setdefault(line["case"], Case(line["case"]))
            case.line = line
            if not line.get("verified"):
                case.errors.append(line.get("error", "the results were wrong"))
            if line.get("counted") and boot.regions:
                case.samples.append(_sample(boot, *next(regions), case))
            elif "value" in line:
                case.values.append(line["value"])
            elif "values" in line:
                case.values.append(line["values"]["p50"])
    return cases


def _copied(boot: Boot, region: Region, line: dict[str, Any]) -> int:
    """An upper bound of the bytes of payload that the CPU copied.

    It assumes that all user instructions and all copying routines of the kernel moved payload. The
    kernel copies arguments with the same routines, so the result is 0 if the instructions are too
    few to have moved the whole payload.
    """
    functions = boot.symbols.by_function(region)
    executed = region.total - region.kernel
    executed += sum(
        count for name, count in functions.items() if name[0] == "k" and COPIES.match(name[2:])
    )
    return executed * COPY_WIDTH if executed * COPY_WIDTH >= line["jobs"] * line["bytes"] else 0


def _sample(boot: Boot, line: dict[str, Any], region: Region, case: Case) -> Sample:
    jobs = line["jobs"]
    # The guest's clock also runs while the processor sleeps: it may be ahead, but never behind.
    slack = SLACK + SLACK_PAUSE * line.get("pauses", 0)
    slept = line.get("interrupts", 0) != 0 or region.kernel != 0
    if region.total > line["tsc"] + slack or (not slept and region.total < line["tsc"] - slack):
        case.errors.append(
            f"the plugin counted {region.total} instructions, the guest {line['tsc']}"
        )
    functions = boot.symbols.by_function(region)
    return Sample(
        instructions=region.total / jobs,
        user=(region.total - region.kernel) / jobs,
        kernel=region.kernel / jobs,
        calls=boot.symbols.executions(region, SYSTEM_CALL) / jobs,
        interrupts=boot.symbols.executions(region, INTERRUPT) / jobs,
        reads=sum(region.reads.values()) / jobs,
        writes=sum(region.writes.values()) / jobs,
        doorbells=region.writes.get("accel-doorbells", 0) / jobs,
        nvme_writes=region.writes.get("nvme", 0) / jobs,
        copied=_copied(boot, region, line) / jobs,
        functions={name: count / jobs for name, count in functions.most_common(PROFILE)},
    )
