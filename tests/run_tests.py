#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the test suites and reports their results.

The last line is "N passed, N failed", with ", N skipped" if tests were skipped. The exit code is 0
only if none failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from suites import suite
from suites.outcome import Outcome

sys.path.append(str(Path(__file__).resolve().parent / "vm"))
from accelvm import kernel
from accelvm.verdict import VmError

REASON_LINES = 12  # lines of a failure that are shown; the log has the rest


def total_line(outcome: Outcome) -> str:
    skipped = f", {len(outcome.skipped)} skipped" if outcome.skipped else ""
    return f"{len(outcome.passed)} passed, {len(outcome.failed)} failed{skipped}"


def table(suites: list[suite.SuiteResult]) -> str:
    lines = [f"{'suite':<16}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}"]
    for r in suites:
        counts = f"{len(r.outcome.passed):>8}{len(r.outcome.failed):>8}{len(r.outcome.skipped):>9}"
        lines.append(f"{r.name:<16}{counts}{r.seconds:>9.1f}")
    return "\n".join(lines)


def details(suites: list[suite.SuiteResult]) -> str:
    """The names of the failed and skipped tests, with the reasons."""
    lines = []
    for r in suites:
        if r.outcome.failed:
            lines.append(f"failed in suite {r.name} (log: {r.log}):")
            for name in r.outcome.failed:
                lines.append(f"  {name}")
                lines += [
                    f"      {line}"
                    for line in r.outcome.reasons.get(name, "").splitlines()[:REASON_LINES]
                ]
        if r.outcome.skipped:
            lines.append(f"skipped in suite {r.name}:")
            for name in r.outcome.skipped:
                reason = r.outcome.reasons.get(name, "").splitlines()
                lines.append(f"  {name}" + (f": {reason[-1]}" if reason else ""))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    names = f"of {', '.join(suite.NAMES)}, {', '.join(suite.NAMED)}; default: all but the last"
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=names)
    parser.add_argument("--build", type=Path, default=Path("build"), metavar="FOLDER")
    parser.add_argument("--filter", default="*", metavar="PATTERN", help="as for --gtest_filter")
    parser.add_argument("--verbose", action="store_true", help="show what the tests print")
    parser.add_argument(
        "--vm-arg", action="append", default=[], metavar="TEXT", help="argument for vm.py"
    )
    options = parser.parse_args()
    for name in options.suites:
        if name not in (known := (*suite.NAMES, *suite.NAMED)):
            parser.error(f"there is no suite '{name}'; there are {', '.join(known)}")
    try:
        release = kernel.default_release()
    except VmError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.verdict
    settings = suite.Options(
        options.build, release, options.filter, options.verbose, options.vm_arg
    )

    done = []
    for name in options.suites or suite.NAMES:
        print(f"==> Running suite '{name}'", flush=True)
        done.append(suite.run(name, settings))
        print(f"    {total_line(done[-1].outcome)}", flush=True)
    total = Outcome()
    for r in done:
        total.add(r.outcome)
    if total.total == 0:
        total.failed.append(f"no test matches '{options.filter}'")
        print(f"\n{total.failed[0]}")
    print(f"\n{table(done)}\n")
    if text := details(done):
        print(f"{text}\n")
    print(total_line(total))
    return 1 if total.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
