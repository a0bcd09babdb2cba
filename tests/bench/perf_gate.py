#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Suite `perf-gate`: each case of the perf gate is a test.

Accepts those options of GoogleTest that the suites use.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import sys
import time
import xml.etree.ElementTree as xml
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCH), str(BENCH.parent / "vm")]

from accelbench import boot, perf_gate  # noqa: E402  (needs the paths)
from accelvm import kernel  # noqa: E402
from accelvm.verdict import VmError  # noqa: E402


def _verdicts(
    counts: perf_gate.Counts, recorded: perf_gate.Counts, errors: list[str], release: str
) -> dict[str, list[str]]:
    """The errors of each test; none if it passed."""
    verdicts = {}
    same_kernel = bool(recorded.get(perf_gate.KERNEL) == release)
    if not same_kernel:
        print(
            f"the record is for kernel {recorded.get(perf_gate.KERNEL, 'unknown')} and this is "
            f"{release}: kernel instructions are not compared"
        )
    for name in perf_gate.CASES:
        wrong = [error for error in errors if error.startswith(f"{name}: ")]
        if name not in recorded:
            wrong.append("is not in the record: run 'make record-perf-gate'")
        elif name not in counts:
            wrong.append("was not measured")
        else:
            rose, fell = perf_gate.compare(recorded[name], counts[name], same_kernel)
            wrong += rose
            for line in fell:
                print(f"{name}: {line}; to keep the improvement, run 'make record-perf-gate'")
        verdicts[name] = wrong
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--gtest_output", default="")
    parser.add_argument("--gtest_filter", default="*")
    parser.add_argument("--gtest_color", help=argparse.SUPPRESS)
    options = parser.parse_args()
    wanted = [
        name
        for name in perf_gate.CASES
        if any(
            fnmatch.fnmatch(f"PerfGate.{name}", part) for part in options.gtest_filter.split(":")
        )
    ]
    if not wanted:
        return 0
    os.environ.setdefault(
        "ACCEL_PCI_SO", str((options.build / "qemu-device/accel-pci.so").absolute())
    )
    start = time.monotonic()
    try:
        release = kernel.release_of("6.1")
        counts, errors = perf_gate.count(boot.Settings(options.build, release, perf_gate.PROGRAMS))
    except VmError as error:
        print(f"perf-gate: {error}")
        return int(error.verdict)
    recorded = json.loads(perf_gate.RECORD.read_text()) if perf_gate.RECORD.is_file() else {}
    verdicts = {
        name: wrong
        for name, wrong in _verdicts(counts, recorded, errors, release).items()
        if name in wanted
    }
    for name, wrong in verdicts.items():
        print(f"[ {'FAILED  ' if wrong else '      OK'} ] PerfGate.{name}")
        print("".join(f"{line}\n" for line in wrong), end="")
    if options.gtest_output.startswith("xml:"):
        suite = xml.Element(
            "testsuite",
            name="PerfGate",
            tests=str(len(verdicts)),
            failures=str(sum(1 for wrong in verdicts.values() if wrong)),
        )
        for name, wrong in verdicts.items():
            case = xml.SubElement(
                suite,
                "testcase",
                name=name,
                classname="PerfGate",
                status="run",
                result="completed",
                time=f"{time.monotonic() - start:.1f}",
            )
            if wrong:
                xml.SubElement(case, "failure", message="\n".join(wrong))
        root = xml.Element("testsuites")
        root.append(suite)
        xml.ElementTree(root).write(options.gtest_output[4:])
    return 1 if any(verdicts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
