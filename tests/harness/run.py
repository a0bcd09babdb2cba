#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the unittest modules of a folder, and accepts the options of GoogleTest from run_tests.py.

    run.py [--folder FOLDER] [--gtest_output=xml:FILE] [--gtest_filter=PATTERN]

The default folder is this one, which holds the harness's own tests.
"""

import argparse
import fnmatch
import signal
import sys
import time
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "vm"), str(HERE.parent)]


class Result(unittest.TextTestResult):
    """Records the time and the message of each test for the XML file."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.cases: list[xml.Element] = []

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()
        suite, name = test.id().split(".")[-2:]
        self._case = xml.Element("testcase", name=name, classname=suite, result="completed")

    def stopTest(self, test):
        super().stopTest(test)
        self._case.set("time", f"{time.monotonic() - self._start:.3f}")
        self.cases.append(self._case)

    def _failed(self, error):
        xml.SubElement(self._case, "failure", message=self._exc_info_to_string(error, None))

    def _exc_info_to_string(self, error, test):
        return super()._exc_info_to_string(error, test or self)

    failureException = AssertionError

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(err)

    def addError(self, test, err):
        super().addError(test, err)
        if not isinstance(test, unittest.TestCase):  # setUpClass failed: no test of it ran
            self._case = xml.Element(
                "testcase", name=str(test), classname="setup", time="0", result="completed"
            )
            self.cases.append(self._case)
        self._failed(err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._failed(err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._case.set("result", "skipped")


def tests(suite: unittest.TestSuite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests(item)
        else:
            yield item


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=HERE)
    parser.add_argument("--gtest_output", default="")
    parser.add_argument("--gtest_filter", default="*")
    parser.add_argument("--gtest_color", default="no")
    options = parser.parse_args()
    # A script that starts tests with `&`, or ignores Ctrl-C, leaves it ignored in all its children,
    # and tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted, _, unwanted = options.gtest_filter.partition("-")
    folder = options.folder.resolve()
    sys.path.insert(0, str(folder))
    every = unittest.defaultTestLoader.discover(str(folder))

    def matches(test: unittest.TestCase, patterns: str) -> bool:
        name = ".".join(test.id().split(".")[-2:])
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split(":"))

    chosen = unittest.TestSuite(
        test
        for test in tests(every)
        if matches(test, wanted or "*") and not matches(test, unwanted)
    )
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(chosen)
    assert isinstance(result, Result)
    if options.gtest_output:
        root = xml.Element("testsuites")
        xml.SubElement(root, "testsuite", name=folder.name).extend(result.cases)
        xml.ElementTree(root).write(
            options.gtest_output.removeprefix("xml:"), encoding="utf-8", xml_declaration=True
        )
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
