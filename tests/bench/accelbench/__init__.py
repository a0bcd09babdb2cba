# SPDX-License-Identifier: Apache-2.0
"""Measures the stack in a virtual machine and compares it with its peers and its goals.

boot.py runs all programs of a boot, profile.py reads the plugin's counts, measure.py combines the
two, rows.py holds the goals, and table.py, plot.py and document.py show the results. perf_gate.py
compares the counts with the recorded ones.
"""
