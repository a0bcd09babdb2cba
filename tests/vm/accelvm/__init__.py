# SPDX-License-Identifier: Apache-2.0
"""Boots a stock Debian kernel with the card and its driver, runs a command, and judges the run.

`kernel` gets the kernel, `initramfs` packs the guest, `init.sh` is the guest's first process,
`machine` describes and owns QEMU, `console` judges kernel messages, `results` reads the guest's
report, `verdict` lists the ways in which a run ends, and `run` combines them. `../vm.py` is the
command line.
"""
