#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the guest's kernel into the cache if it is not there, and prints its release."""

import sys

from accelvm import kernel
from accelvm.verdict import VmError

if __name__ == "__main__":
    try:
        print(kernel.get(sys.argv[1] if len(sys.argv) > 1 else None).release)
    except VmError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.verdict)
