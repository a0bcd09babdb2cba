#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the stack and its peers in a virtual machine, and compares them with the goals.

docs/project/performance.md explains the goals and shows the results.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS / "vm"), str(TESTS / "bench")]

from accelbench import boot, document, measure, perf_gate, table  # noqa: E402  (needs the paths)
from accelbench.rows import IOMMU  # noqa: E402
from accelvm import kernel  # noqa: E402
from accelvm.verdict import Verdict, VmError  # noqa: E402

# In the order in which they run: the last one unbinds a card from its driver.
PROGRAMS = [
    "calibrate",
    "nop",
    "nvme",
    "block",
    "jobs",
    "waits",
    "transfers",
    "lists",
    "link",
    "latency",
    "pipeline",
    "serving",
    "floor",
]
# Programs whose costs differ behind an IOMMU.
IOMMU_PROGRAMS = ["nvme", "jobs", "transfers"]


def _settings(options: argparse.Namespace, programs: list[str]) -> boot.Settings:
    build: Path = options.build
    model = options.model or build / "model/fashion-mnist.model"
    reference = options.reference or build / "model/fashion-mnist.logits"
    files, environment = [], {}
    if "serving" in programs:
        files = [model, reference, *sorted(options.data.glob("t10k-*"))]
        environment = {
            "BENCH_MODEL": str(model.absolute()),
            "BENCH_REFERENCE": str(reference.absolute()),
            "BENCH_DATA": str(options.data.absolute()),
        }
    return boot.Settings(
        build, kernel.default_release(), programs, files, environment, verbose=options.verbose
    )


def _measure(options: argparse.Namespace) -> dict[str, measure.Case]:
    plain, iommu = [], []
    for number in range(1, options.boots + 1):
        print(f"==> Boot {number} of {options.boots}: ours, the peers, the floor", flush=True)
        plain.append(boot.run(_settings(options, options.programs or PROGRAMS)))
        if not options.programs:
            print(f"==> Boot {number} of {options.boots}: behind an IOMMU", flush=True)
            iommu.append(boot.run(replace(_settings(options, IOMMU_PROGRAMS), iommu=True)))
    cases = measure.collect(plain)
    for case in measure.collect(iommu).values():
        cases[case.name + IOMMU] = replace(case, name=case.name + IOMMU)
    if not options.programs:
        print("==> In real time: the one comparison", flush=True)
        cases.update(
            measure.collect([boot.run(replace(_settings(options, ["wall"]), counted=False))])
        )
    return cases


def _bench(options: argparse.Namespace) -> int:
    cases = _measure(options)
    results = table.evaluate(cases)
    encoded = table.to_json(results, cases, options.boots)
    folder = options.build / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(encoded, indent=1) + "\n")
    for name, drawing in document.plots(encoded).items():
        (folder / name).write_text(drawing)
    if options.programs:
        for case in cases.values():
            if case.samples:
                verdict = "right" if case.verified else "WRONG"
                print(f"{case.name:34}{case.median():12,.1f} instructions a job  {verdict}")
            else:
                print(f"{case.name:34}{json.dumps(case.to_json())}")
    else:
        print(f"\n{table.text(results)}\n")
        if text := table.profiles(results):
            print(f"{text}\n")
    print(f"All results: {folder / 'results.json'}")
    wrong = [f"{case.name}: {error}" for case in cases.values() for error in case.errors]
    print("\n".join(wrong))
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="FOLDER")
    parser.add_argument(
        "--boots", type=int, default=3, metavar="N", help="number of boots (default 3)"
    )
    parser.add_argument(
        "--program",
        action="append",
        dest="programs",
        choices=[*PROGRAMS, "wall"],
        metavar="NAME",
        help=f"run only this program of {', '.join(PROGRAMS)}; the goals are not compared",
    )
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="model to serve; default: the example's"
    )
    parser.add_argument(
        "--reference", type=Path, metavar="FILE", help="the model's reference results"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), metavar="FOLDER"
    )
    parser.add_argument(
        "--document",
        type=Path,
        metavar="PAGE",
        help="measure nothing: update this page's tables and plots from the last results",
    )
    parser.add_argument(
        "--record", action="store_true", help="record the counts for suite perf-gate"
    )
    parser.add_argument("--verbose", action="store_true", help="show what the programs print")
    return parser


def main() -> int:
    options = _parser().parse_args()
    os.environ.setdefault(
        "ACCEL_PCI_SO", str((options.build / "qemu-device/accel-pci.so").absolute())
    )
    try:
        if options.document:
            results = options.build / "bench/results.json"
            if not results.is_file():
                raise VmError(Verdict.SETUP, f"{results} is missing: run 'make bench' first")
            document.fill(options.document, json.loads(results.read_text()))
            return 0
        if options.record:
            return perf_gate.record(_settings(options, perf_gate.PROGRAMS))
        return _bench(options)
    except VmError as error:
        print(f"bench: {error}", file=sys.stderr)
        return int(error.verdict)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
