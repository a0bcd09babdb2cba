#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the guest's kernel into the cache if it is not there, and prints its release. --release only prints."""

import sys

from accelvm import kernel
from accelvm.verdict import VmError

if __name__ == "__main__":
    try:
        print(kernel.default_release() if "--release" in sys.argv else kernel.get().release)
    except VmError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.verdict)
