#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs suite 'vm' and tests with injected failures on a kernel that checks itself.

The parts are: `controls` shows that the kernel makes the known complaints without our driver,
`failures` and `failures-dma` let each fault point of each operation fail, `vm` and `vm-iommu` run
these suites. `short` is the part of all that fits into a run of CI. Each part gets a line; the exit
code is 0 only if all passed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernels import KBUILD, counts, details
from suites import suite

PROJECT = Path(__file__).resolve().parents[1]
sys.path.append(str(PROJECT / "tests/vm"))
from accelvm import headers, kernel, known  # noqa: E402  (needs the path)
from accelvm.debug_kernel import NAME  # noqa: E402
from accelvm.verdict import VmError  # noqa: E402

DEBUG = PROJECT / "tests/vm/debug"
KNOWN = DEBUG / "known.toml"
CONTROL_MODULE = DEBUG / "control_module"
SILENCE_LIMIT = 1800  # seconds; a test that makes hundreds of failures prints one line
TABLE_BEGINS = "Operation, number of fault points"

# Known complaints must not end the run. The kernel trusts the host bridge with peer-to-peer
# transfers only if the processor is an AMD one of family 23 or later.
MACHINE = (
    "--append=panic_on_warn=0 kasan_multi_shot page_poison=1",
    "--qemu-arg=-cpu",
    "--qemu-arg=max,family=23,model=1",
    f"--known={KNOWN}",
    "--leaks",
    # The kernel kills a process when an injected failure hits its area for restartable sequences.
    "--env=GLIBC_TUNABLES=glibc.pthread.rseq=0",
    "--boot-timeout=600",
    "--timeout=7200",
)


@dataclass(frozen=True)
class Part:
    """A part of the run: a suite on a machine, perhaps only some of its tests."""

    suite: str
    machine: tuple[str, ...]
    filter: str = "*"


# The check of DMA mappings ends when an allocation of its own fails, and it allocates nodes of
# radix trees. Allocations in all other caches are marked as those that may fail.
MARKED_CACHES = "--append=slub_debug=A;-,radix_tree_node"
# A scan for leaks reads all memory, so each guest has little more than it needs.
CONTROLS = Part(
    "controls",
    (
        "--no-card",
        "--memory=600M",
        "--controls",
        MARKED_CACHES,
        "--qemu-arg=-device",
        "--qemu-arg=pcie-root-port,id=control,chassis=9,slot=9",
        "--qemu-arg=-drive",
        "--qemu-arg=if=none,id=disk,driver=null-co,size=1M,read-zeroes=on",
        "--qemu-arg=-device",
        "--qemu-arg=nvme,serial=control,drive=disk",
    ),
)
# These tests compare the speed of the card with that of the processor, which is slow here.
WITHOUT_RACES = "*-Async.TransfersOfFilesTakeTurns:Fdinfo.IsReadableManyTimesDuringOneCall"
# One part makes nodes of radix trees fail, too, without the check; the other one has the check.
FAILURES = Part("failures", ("--memory=700M", "--append=dma_debug=off"))
FAILURES_DMA = Part("failures", ("--memory=700M", MARKED_CACHES))
PARTS = {
    "controls": CONTROLS,
    "failures": FAILURES,
    "failures-dma": FAILURES_DMA,
    "vm": Part("vm", ("--memory=2G",), WITHOUT_RACES),
    "vm-iommu": Part("vm-iommu", ("--memory=2G",), WITHOUT_RACES),
}
SHORT = {
    "failures": Part("failures", FAILURES_DMA.machine, "Call/*:Buffer/*:Queue/*:File/*"),
    "vm": Part("vm", ("--memory=1G",), "Reset.*:Unbind.*:Tenants.*:Killed.*:Uring.*:LockedPage.*"),
}


def build_module(source: Path, release: str, output: Path, log: Path) -> bool:
    """Builds the driver, or the control module with a copy of its source as `output`."""
    arguments = ["make", "-C", str(source), f"KDIR={headers.get(release)}", f"O={output}", *KBUILD]
    if source == CONTROL_MODULE:
        shutil.copytree(source, output, dirs_exist_ok=True)
        arguments = ["make", "-C", str(headers.get(release)), f"M={output}", "modules"]
    with log.open("ab") as file:
        done = subprocess.run(arguments, stdout=file, stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0


def missing_controls(seen: dict[str, int]) -> Iterator[str]:
    """The known complaints that no control provoked."""
    for entry in known.read(KNOWN):
        if not seen.get(entry.name):
            yield f"{entry.control} does not make the kernel complain of {entry.name}"


def run(name: str, part: Part, release: str, options: argparse.Namespace) -> suite.SuiteResult:
    with tempfile.TemporaryDirectory(prefix="accel-debug.") as scratch:
        report = Path(scratch) / "known.json"
        machine = [*MACHINE, *part.machine, f"--known-report={report}"]
        if part is CONTROLS:
            module = options.build / "control_module/control_module.ko"
            machine.append(f"--files={module.absolute()}:/vm/control_module.ko")
        settings = suite.Options(
            options.build,
            release,
            part.filter if options.filter == "*" else options.filter,
            options.verbose,
            [*machine, *options.vm_arg],
            label="-debug" if name == part.suite else f"-debug-{name}",
            silence=SILENCE_LIMIT,
        )
        done = suite.run(part.suite, settings)
        seen = json.loads(report.read_text()) if report.is_file() else {}
    if part is CONTROLS and not done.outcome.failed and settings.filter == "*":
        done.outcome.failed += missing_controls(seen)
    return done


def table(log: Path) -> str:
    """The table of failures at the end of a log."""
    _, begin, rest = log.read_text(errors="replace").rpartition(TABLE_BEGINS)
    return begin + rest.partition("\n[")[0].rstrip() if begin else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"of {', '.join(PARTS)}; default: all; short: what CI runs",
    )
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="FOLDER")
    parser.add_argument("--filter", default="*", metavar="PATTERN", help="as for --gtest_filter")
    parser.add_argument("--verbose", action="store_true", help="show what the tests print")
    parser.add_argument(
        "--vm-arg", action="append", default=[], metavar="TEXT", help="argument for vm.py"
    )
    options = parser.parse_args()
    parts = SHORT if options.parts == ["short"] else PARTS
    for name in options.parts:
        if parts is PARTS and name not in PARTS:
            parser.error(f"there is no part '{name}'; there are {', '.join(PARTS)}, and short")
    names = [name for name in parts if parts is SHORT or name in (options.parts or PARTS)]

    log = (options.build / "logs/debug-kernel-modules.log").absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    try:
        release = kernel.get(NAME).release
        print(f"==> Building the driver for {release}", flush=True)
        driver = (options.build / "driver" / release).absolute()
        controls = (options.build / "control_module").absolute()
        if not build_module(PROJECT / "driver", release, driver, log) or not build_module(
            CONTROL_MODULE, release, controls, log
        ):
            print(f"error: the driver does not build (log: {log})", file=sys.stderr)
            return 1
    except VmError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.verdict
    failed = 0
    for name in names:
        print(f"==> Running '{name}' on {release}", flush=True)
        done = run(name, parts[name], release, options)
        failed += bool(done.outcome.failed)
        for text in (table(done.log), details(done)):
            if text:
                print(text)
        verdict = "FAILED" if done.outcome.failed else "passed"
        print(
            f"debug kernel, {name}: {verdict}: {counts(done.outcome)} in {done.seconds:.0f} s",
            flush=True,
        )
    print(f"\n{len(names) - failed} parts passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
