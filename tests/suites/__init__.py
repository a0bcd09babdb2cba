# SPDX-License-Identifier: Apache-2.0
"""Runs the suites of tests and adds them up; ../run_tests.py is the command line."""
