# SPDX-License-Identifier: Apache-2.0
"""Boots a stock Debian kernel with the card and its driver, runs a command in it, and judges the run.

One concern a file: `kernel` gets the kernel, `initramfs` packs the guest, `guest/init.sh` runs in it, `machine`
describes and owns QEMU, `console` judges kernel messages, `results` takes what the guest hands back, `verdict` says
how a run ended, `run` puts them together. `../vm.py` is the command line.
"""
