#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds the guest's kernel or its headers, and gets them into the cache if necessary.

    kernel.py [NAME]             gets the kernel and prints its release
    kernel.py --release [NAME]   prints the release only
    kernel.py --headers [NAME]   gets the headers and prints their folder (kbuild's KDIR)

NAME is 6.1, rt, 6.12, debug, a release, or a flavor whose headers are installed. The default is
ACCEL_KERNEL.
"""

import argparse
import sys

from accelvm import headers, kernel
from accelvm.verdict import VmError


def main() -> int:
    parser = argparse.ArgumentParser(usage="%(prog)s [--release | --headers] [NAME]")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--release", action="store_true", help="only print the release")
    what.add_argument("--headers", action="store_true", help="print the folder of the headers")
    parser.add_argument("name", nargs="?", metavar="NAME")
    options = parser.parse_args()
    try:
        release = kernel.release_of(options.name) if options.name else kernel.default_release()
        if options.headers:
            print(headers.get(release))
        else:
            print(release if options.release else kernel.get(release).release)
    except VmError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.verdict
    return 0


if __name__ == "__main__":
    sys.exit(main())
