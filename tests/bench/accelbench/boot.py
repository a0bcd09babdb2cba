# SPDX-License-Identifier: Apache-2.0
"""One boot of the benchmark machine: runs all programs in order and collects their results."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelvm.initramfs import Payload
from accelvm.machine import Machine
from accelvm.run import Run, execute
from accelvm.verdict import Verdict, VmError

from .profile import Region, Symbols, read_regions

# The link that public efficiency models use, so that the rates can be compared.
CARD = "timing=model,link-speed=8,link-width=8"
# One instruction is one nanosecond of the virtual clock. The clock jumps ahead when the processor
# sleeps.
COUNTING = ["-icount", "shift=0,sleep=off", "-rtc", "base=2024-01-01,clock=vm"]
# Controllers with a null backend: only the path to the controller and back is measured.
PEERS = [
    "-blockdev",
    "null-co,node-name=n0,size=1073741824,read-zeroes=off",
    "-device",
    "nvme,serial=x,drive=n0",
    "-blockdev",
    "null-co,node-name=n1,size=1073741824,read-zeroes=off",
    "-device",
    "virtio-blk-pci,drive=n1",
]
PEER_MODULES = ["nvme", "virtio_blk"]
# Addresses must be the same in every boot, so that profiles can be compared.
APPEND = ["nokaslr", "norandmaps"]
IOMMU = ["-device", "intel-iommu,intremap=on"]
IOMMU_APPEND = ["intel_iommu=on"]
TIMEOUT = 900.0


@dataclass
class Settings:
    """The files and programs of a boot."""

    build: Path
    release: str
    programs: list[str]  # of build/tests/bench/guest, without "bench-"
    files: list[Path] = field(default_factory=list)  # for the programs, at the same path
    environment: dict[str, str] = field(default_factory=dict)
    iommu: bool = False
    counted: bool = True  # False: in real time, with the card as fast as the host allows
    verbose: bool = False

    @property
    def guest(self) -> Path:
        return self.build / "tests/bench/guest"


@dataclass
class Boot:
    """The results of a boot: the lines that programs wrote, and the counted regions."""

    lines: list[dict[str, Any]]
    regions: list[Region]
    symbols: Symbols

    def counted(self) -> list[tuple[dict[str, Any], Region]]:
        """Each counted line with its region."""
        lines = [line for line in self.lines if line.get("counted")]
        return list(zip(lines, self.regions, strict=False))


def run(settings: Settings) -> Boot:
    """Boots once. Raises VmError when the machine or a program failed."""
    with tempfile.TemporaryDirectory(prefix="accel-bench.") as name:
        folder = Path(name)
        counts = folder / "plugin.txt"
        outcome = execute(
            Run(
                payload=_payload(settings),
                machine=_machine(settings, counts),
                timeout=TIMEOUT,
                release=settings.release,
                results=folder / "results",
                boot_limit=240,
                output=_show if settings.verbose else _discard,
                console_log=settings.build / "logs/bench-console.log",
            )
        )
        if outcome.status != 0:
            raise VmError(
                Verdict.DIED,
                f"a benchmark program ended with {outcome.status}: run again with --verbose to "
                "see its output",
            )
        return _collect(settings, folder / "results", counts)


def _payload(settings: Settings) -> Payload:
    programs = [settings.guest / f"bench-{name}" for name in settings.programs]
    for program in programs:
        if not program.is_file():
            raise VmError(Verdict.SETUP, f"{program} is not built: run 'make build'")
    script = " && ".join(f"bench-{name} /results/bench.jsonl" for name in settings.programs)
    module = settings.build / "driver" / settings.release / "accel.ko"
    return Payload(
        command=["sh", "-c", f"{script} && cat /proc/kallsyms >/results/kallsyms"],
        modules=[(module, "")],
        stock_modules=PEER_MODULES,
        programs=programs,
        files=[(file, str(file.absolute())) for file in settings.files],
        environment=dict(settings.environment),
        devices=["/dev/accel0", "/dev/accel1"],
    )


def _machine(settings: Settings, counts: Path) -> Machine:
    plugin = settings.build / "tests/bench/plugin/perf_counters.so"
    machine = Machine(
        cards=[f"serial={serial}" + (f",{CARD}" if settings.counted else "") for serial in (1, 2)],
        memory="2G",
        append=list(APPEND),
        qemu_arguments=list(PEERS),
    )
    if settings.counted:
        machine.qemu_arguments += [*COUNTING, "-plugin", f"{plugin.absolute()},out={counts}"]
    if settings.iommu:
        machine.append += IOMMU_APPEND
        machine.qemu_arguments += IOMMU
    return machine


def _collect(settings: Settings, results: Path, counts: Path) -> Boot:
    symbols = Symbols()
    symbols.add_kernel(results / "kallsyms")
    lines = []
    roots = [settings.guest, settings.build / "libaccel"]
    for text in (results / "bench.jsonl").read_text().splitlines():
        line = json.loads(text)
        if "maps" in line:
            symbols.add_program(line["maps"], roots)
        else:
            lines.append(line)
    regions = read_regions(counts) if settings.counted else []
    counted = sum(1 for line in lines if line.get("counted"))
    if settings.counted and counted != len(regions):
        raise VmError(
            Verdict.TRUNCATED, f"{counted} regions were reported and {len(regions)} counted"
        )
    return Boot(lines, regions, symbols)


def _show(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


def _discard(_: bytes) -> None:
    """Drops the programs' output; --verbose shows it."""
