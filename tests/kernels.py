#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the driver for several kernels without a warning, and runs suite 'vm' on each.

Each kernel gets a line. The last line is "N kernels passed, N failed"; the exit code is 0 only if
none failed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from suites import suite
from suites.outcome import Outcome

PROJECT = Path(__file__).resolve().parents[1]
sys.path.append(str(PROJECT / "tests/vm"))
from accelvm import headers, kernel  # noqa: E402  (needs the path)
from accelvm.sid import Sid  # noqa: E402
from accelvm.verdict import VmError  # noqa: E402

NAMES = tuple(kernel.NAMED)
KBUILD = ["W=1", "WERROR=1"]
REASON_LINES = 12


@dataclass
class Result:
    """The result on one kernel. `reason` lists the failed and skipped tests."""

    passed: bool
    release: str
    summary: str
    reason: str = ""


def last_lines(log: Path) -> str:
    return "\n".join(
        f"    {line}" for line in log.read_text(errors="replace").splitlines()[-REASON_LINES:]
    )


def build_failed(release: str, log: Path) -> Result:
    return Result(False, release, f"the driver does not build (log: {log})", last_lines(log))


def build(release: str, output: Path, log: Path) -> bool:
    """Builds the driver with the compiler of the host."""
    with log.open("wb") as file:
        built = subprocess.run(
            [
                "make",
                "-C",
                str(PROJECT / "driver"),
                f"KDIR={headers.get(release)}",
                f"O={output}",
                *KBUILD,
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return built.returncode == 0


def on(name: str, options: argparse.Namespace, log: Path) -> Result:
    release = kernel.release_of(name)
    output = (options.build / "driver" / release).absolute()
    if name == kernel.NEWEST:
        built = Sid().build([PROJECT / "driver", PROJECT / "include"], KBUILD, log, output)
    else:
        built = build(release, output, log)
    if not built:
        return build_failed(release, log)
    settings = suite.Options(
        options.build, release, options.filter, options.verbose, options.vm_arg, label=f"-{name}"
    )
    done = suite.run("vm", settings)
    return Result(
        not done.outcome.failed,
        release,
        f"builds; {counts(done.outcome)} in {done.seconds:.0f} s",
        details(done),
    )


def counts(outcome: Outcome) -> str:
    skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    return f"tests: {len(outcome.passed)} passed, {len(outcome.failed)} failed{skipped}"


def details(done: suite.SuiteResult) -> str:
    lines = []
    for word, names in (("failed", done.outcome.failed), ("skipped", done.outcome.skipped)):
        for name in names:
            reason = done.outcome.reasons.get(name, "").splitlines()[:REASON_LINES]
            lines += [f"    {word}: {name}", *(f"        {line}" for line in reason)]
    if done.outcome.failed:
        lines.append(f"    log: {done.log}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "kernels",
        nargs="*",
        metavar="KERNEL",
        help=f"of {', '.join(NAMES)}, or a release; default: all",
    )
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="FOLDER")
    parser.add_argument("--filter", default="*", metavar="PATTERN", help="as for --gtest_filter")
    parser.add_argument("--verbose", action="store_true", help="show what the tests print")
    parser.add_argument(
        "--vm-arg", action="append", default=[], metavar="TEXT", help="argument for vm.py"
    )
    options = parser.parse_args()

    logs = (options.build / "logs").absolute()
    logs.mkdir(parents=True, exist_ok=True)
    failed = 0
    names = options.kernels or NAMES
    for name in names:
        print(f"==> Building and testing on kernel {name}", flush=True)
        log = logs / f"kernel-{name}.log"
        try:
            result = on(name, options, log)
        except VmError as error:
            result = Result(False, "", str(error))
        failed += not result.passed
        if result.reason:
            print(result.reason)
        print(
            f"kernel {name}{f' ({result.release})' if result.release else ''}: "
            f"{'passed' if result.passed else 'FAILED'}: {result.summary}",
            flush=True,
        )
    print(f"\n{len(names) - failed} kernels passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
