# SPDX-License-Identifier: Apache-2.0
"""Runs the test suites and adds up their results; ../run_tests.py is the command line."""
