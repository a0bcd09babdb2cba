#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that functions have at most 80 lines and files at most 450.

    lengths.py

Functions are found by Universal Ctags. A function that is a table is named in TABLES; the hardware
and UAPI headers, and files that a program generates, may be longer than a file otherwise may.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION_LINES = 80
FILE_LINES = 450

SOURCES = (
    "*.c",
    "*.h",
    "*.cpp",
    "*.hpp",
    "*.py",
    "*.sh",
    "*.cmake",
    "Makefile",
    "*/CMakeLists.txt",
)
LONG_FILES = {"include/accel_hw.h", "include/accel_uapi.h"}
# "file:function" of functions that are tables of values.
TABLES: set[str] = set()


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", *SOURCES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def long_files(names: list[str]) -> list[str]:
    findings = []
    for name in names:
        lines = len((ROOT / name).read_text(errors="replace").splitlines())
        if lines > FILE_LINES and name not in LONG_FILES:
            findings.append(f"{name}: {lines} lines; {FILE_LINES} are the limit: split it")
    return findings


def long_functions(names: list[str]) -> list[str]:
    languages = re.compile(r"\.(c|h|cpp|hpp|py)$")
    command = [
        "ctags",
        "--output-format=json",
        "--fields=+neK",
        "--languages=C,C++,Python",
        "--langmap=C++:+.h.hpp",
        "--kinds-C=f",
        "--kinds-C++=f",
        "--kinds-Python=fm",
        "-f",
        "-",
        "-L",
        "-",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        input="\n".join(filter(languages.search, names)),
        capture_output=True,
        text=True,
        check=True,
    )
    findings = []
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        length = tag.get("end", tag["line"]) - tag["line"] + 1
        if length > FUNCTION_LINES and f"{tag['path']}:{tag['name']}" not in TABLES:
            findings.append(
                f"{tag['path']}:{tag['line']}: {tag['name']} has {length} lines; "
                f"{FUNCTION_LINES} are the limit: split it"
            )
    return findings


def main() -> int:
    names = tracked()
    findings = long_files(names) + long_functions(names)
    print("\n".join(findings))
    print(f"lengths: {len(findings)} findings in {len(names)} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
