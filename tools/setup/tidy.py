#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over the project's C++ files, and only over those that changed since they were clean.

    tidy.py BUILD JOBS

A file is clean as long as it, what it includes and .clang-tidy are what they were: ninja knows what it includes.
"""

import concurrent.futures
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("libaccel", "qemu-device", "tests", "tools")


def sources(build: Path) -> dict[str, str]:
    """Object file by source, for our own C++."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if source.suffix == ".cpp" and any(source.is_relative_to(ROOT / part) for part in PARTS):
            found[entry["file"]] = re.search(r" -o (\S+)", entry["command"])[1]
    return found


def includes(build: Path) -> dict[str, list[str]]:
    """By object file, the files that went into it."""
    text = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    result: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith(" "):
            result[current].append(line.strip())
        elif ": #deps" in line:
            current = line.split(":")[0]
            result[current] = []
    return result


def fingerprint(files: list[str], build: Path) -> str:
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for name in files:
        path = build / name
        digest.update(name.encode())
        digest.update(path.read_bytes() if path.is_relative_to(ROOT) else str(path.stat().st_mtime_ns).encode())
    return digest.hexdigest()


def main(build: Path, jobs: int) -> int:
    stamps = build / "tidy"
    stamps.mkdir(exist_ok=True)
    deps = includes(build)
    todo = {}
    for source, produced in sources(build).items():
        stamp = stamps / hashlib.sha256(source.encode()).hexdigest()[:16]
        state = fingerprint([source, *deps.get(produced, [])], build) if produced in deps else ""
        if not state or not stamp.is_file() or stamp.read_text() != state:
            todo[source] = (stamp, state)

    def check(source: str) -> tuple[str, int, str]:
        done = subprocess.run(["clang-tidy", "--quiet", "-p", build, source],
                              capture_output=True, text=True, check=False)
        return source, done.returncode, done.stdout + ("" if done.returncode == 0 else done.stderr)

    findings: dict[str, None] = {}
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for source, status, output in pool.map(check, todo):
            stamp, state = todo[source]
            if status == 0:
                stamp.write_text(state)
                continue
            failed += 1
            # A header's findings come with every file that includes it: once is enough.
            for finding in re.split(r"^(?=\S+:\d+:\d+: (?:error|warning): )", output, flags=re.MULTILINE):
                findings[re.sub(r"^(\d+ warnings? .*|Suppressed .*|Use -header.*)\n?", "", finding, flags=re.M)] = None
    print("".join(findings))
    print(f"clang-tidy: {failed} of {len(todo)} files have findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), int(sys.argv[2])))
