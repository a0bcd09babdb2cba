#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the exported symbols of the libraries of a build with the packages' symbols files.

symbols.py BUILD                     lists the changes; the exit code is 1 if there is one
symbols.py BUILD --record            adds new symbols, with the version of the project; refuses
                                     to drop one: compiled programs need it
symbols.py BUILD --record --break    drops lost ones, too: before a first release, or with a new
                                     major version
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARIES = {
    "libaccel0": "libaccel/libaccel.so",
    "libaccel-model0": "libaccel/compiler/libaccel_model.so",
    "libaccel-c0": "libaccel/c/libaccel_c.so",
}


def version() -> str:
    text = (HERE.parents[1] / "CMakeLists.txt").read_text()
    match = re.search(r"^project\(accel VERSION (\S+)", text, re.MULTILINE)
    assert match
    return match[1]


def exported(library: Path) -> set[str]:
    """The symbols of a library, each with its version, as dpkg-gensymbols names them."""
    done = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--with-symbol-versions", library],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {line.split()[-1].replace("@@", "@") for line in done.stdout.splitlines()}
    # A version is a symbol, too, of itself.
    return {name if "@" in name else f"{name}@{name}" for name in names}


def read(file: Path) -> tuple[str, dict[str, str]]:
    """The first line of a symbols file, and the version that each symbol came with."""
    first, *lines = file.read_text().splitlines()
    return first, dict(line.split() for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("build", type=Path, metavar="BUILD")
    parser.add_argument("--record", action="store_true", help="write what was added")
    parser.add_argument("--break", action="store_true", dest="drop", help="drop what was lost")
    options = parser.parse_args()
    status = 0
    for package, name in LIBRARIES.items():
        file = HERE / f"debian/{package}.symbols"
        first, known = read(file)
        now = exported(options.build / name)
        new, lost = sorted(now - known.keys()), sorted(known.keys() - now)
        if options.record:
            kept = known.keys() & now if options.drop else known.keys()
            symbols = {key: known[key] for key in kept} | dict.fromkeys(new, version())
            lines = [f" {key} {symbols[key]}\n" for key in sorted(symbols)]
            file.write_text(f"{first}\n{''.join(lines)}")
            new, lost = [], [] if options.drop else lost
        for text, changed in (("is new: record it (make deb-symbols)", new), ("is lost", lost)):
            for symbol in changed:
                print(f"{package}: {symbol} {text}")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
