# SPDX-License-Identifier: Apache-2.0
"""Runs the rings of tests and adds them up; ../report.py is the command line."""
