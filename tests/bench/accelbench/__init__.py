# SPDX-License-Identifier: Apache-2.0
"""Measures the stack in a virtual machine: boots, counts, compares with the peers, and says what is missing.

boot.py runs all programs of a boot, profile.py reads what the plugin counted, measure.py puts both together,
rows.py holds the goals, table.py, plot.py and document.py show the results.
"""
