#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a kernel with the card and its driver in QEMU, and runs a command in the guest.

docs/project/testing.md explains its use; accelvm/ is the implementation.
"""

import sys

from accelvm.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
