# SPDX-License-Identifier: Apache-2.0
"""Results are added up correctly: a program that ended with an error never looks like success."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from suites.outcome import from_output, of_program

RUN_TESTS = Path(__file__).resolve().parents[1] / "run_tests.py"

JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="Suite">
<testcase name="a" status="run" result="completed" classname="Suite"/>
{more}</testsuite></testsuites>"""
FAILED = (
    '<testcase name="b" status="run" result="completed" classname="Suite">'
    '<failure message="x"/></testcase>'
)
SKIPPED = (
    '<testcase name="c" status="run" result="skipped" classname="Suite"><skipped/></testcase>'
    '<testcase name="d" status="notrun" result="suppressed" classname="Suite"/>'
)

PRINTED = """[ RUN      ] Suite.a
[       OK ] Suite.a (3 ms)
[ RUN      ] Suite.b/0
a.cpp:1: Failure
[  FAILED  ] Suite.b/0, where GetParam() = 4 (1 ms)
[ RUN      ] Suite.c
[  SKIPPED ] Suite.c (0 ms)
[ RUN      ] Suite.d
"""


class Programs(unittest.TestCase):
    def outcome(self, status: int, junit: str | None, output: str = ""):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.xml"
            if junit is not None:
                path.write_text(junit)
            return of_program("x_tests", status, path, output)

    def test_passed_failed_and_skipped_tests_are_counted(self):
        outcome = self.outcome(1, JUNIT.format(more=FAILED + SKIPPED))
        self.assertEqual(
            (outcome.passed, outcome.failed, outcome.skipped),
            (["Suite.a"], ["Suite.b"], ["Suite.c", "Suite.d"]),
        )

    def test_a_program_that_passes_adds_no_failure(self):
        self.assertEqual(self.outcome(0, JUNIT.format(more="")).failed, [])

    def test_a_nonzero_exit_status_without_a_failed_test_is_a_failure(self):
        self.assertEqual(
            self.outcome(23, JUNIT.format(more="")).failed,
            ["x_tests ended with 23, though no test of it failed"],
        )

    def test_a_program_killed_by_a_signal_is_a_failure(self):
        for status in (-11, 139):
            self.assertEqual(
                self.outcome(status, None).failed,
                ["x_tests was killed by signal 11 and left no results"],
            )

    def test_a_missing_empty_or_torn_file_is_a_failure(self):
        for junit in (None, "", JUNIT.format(more="")[:-20]):
            self.assertEqual(len(self.outcome(0, junit).failed), 1)

    def test_a_program_without_tests_is_a_failure(self):
        self.assertEqual(self.outcome(0, "<testsuites/>").failed, ["x_tests has no tests"])

    def test_without_a_file_the_outcome_is_read_from_the_output(self):
        outcome = self.outcome(1, None, PRINTED)
        self.assertEqual(outcome.passed, ["Suite.a"])
        self.assertEqual(outcome.skipped, ["Suite.c"])
        self.assertEqual(outcome.failed[:2], ["Suite.b/0", "Suite.d (running at the end)"])

    def test_the_summary_of_a_program_is_not_counted_again(self):
        outcome = from_output(
            PRINTED.rsplit("\n", 2)[0]
            + "\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] Suite.b/0\n"
        )
        self.assertEqual((len(outcome.passed), len(outcome.failed)), (1, 1))


class Report(unittest.TestCase):
    """run_tests.py as a whole, on a build folder with small scripts in place of test programs."""

    def report(self, *arguments: str, card: str | None = None) -> tuple[int, list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            if card is not None:
                program = Path(folder) / "tests/card/card_tests"
                program.parent.mkdir(parents=True)
                program.write_text(
                    f"#!{sys.executable}\nimport sys, os\n"
                    f"path = sys.argv[1].split(':', 1)[1]\n{card}\n"
                )
                program.chmod(0o755)
            done = subprocess.run(
                [sys.executable, RUN_TESTS, "--build", folder, *arguments],
                capture_output=True,
                text=True,
                check=False,
                env=os.environ,
            )
            return done.returncode, done.stdout.splitlines()

    def test_the_last_line_is_the_total(self):
        code, lines = self.report(
            "unit-card", card=f"open(path, 'w').write('''{JUNIT.format(more=SKIPPED)}''')"
        )
        self.assertEqual((code, lines[-1]), (0, "1 passed, 0 failed, 2 skipped"))

    def test_one_failed_test_fails_the_whole(self):
        code, lines = self.report(
            "unit-card",
            card=f"open(path, 'w').write('''{JUNIT.format(more=FAILED)}'''); sys.exit(1)",
        )
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertIn("  Suite.b", lines)

    def test_a_crash_fails_the_whole(self):
        code, lines = self.report("unit-card", card="os.abort()")
        self.assertEqual((code, lines[-1]), (1, "0 passed, 1 failed"))

    def test_a_program_that_is_not_built_fails_the_whole(self):
        for name in ("unit-card", "vm"):
            self.assertEqual(self.report(name)[0], 1)

    def test_a_filter_that_matches_nothing_fails_the_whole(self):
        code, lines = self.report(
            "unit-card", "--filter", "No.Such", card="open(path, 'w').write('<testsuites/>')"
        )
        self.assertEqual((code, lines[-1]), (1, "0 passed, 1 failed"))
