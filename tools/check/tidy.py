#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over the C++ files of the project that are not known to be clean.

    tidy.py BUILD [--jobs N] [--changed] [--seconds N]

A file is known to be clean when it was clean once with the same content, the same headers of this
project, the same flags, the same .clang-tidy and the same clang-tidy. That knowledge is kept by
content in ${XDG_CACHE_HOME:-~/.cache}/accel/tidy, so it holds for every clone.

--changed checks the files that the branch changes first, then those that include a changed header,
and the others only when most of them are known to be clean already (a warm cache). --seconds starts
no further file after that time, except the changed ones; the verdicts until then are remembered.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("libaccel", "qemu-device", "tests", "tools")
WARM = 0.8  # the part of all files that a warm cache knows
# Flags of GCC alone: those of its precompiled headers, and warnings that clang does not have.
GCC_FLAGS = re.compile(
    r"\s-Wno-stringop-\w+|\s-Winvalid-pch|\s-fpch-preprocess|\s-include\s+\S*cmake_pch\.hxx"
)


def cache_folder() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "accel/tidy"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def database(build: Path) -> dict[str, str]:
    """The compile command of each of our sources; writes them where clang-tidy finds them."""
    entries: dict[str, dict[str, str]] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if source.suffix == ".cpp" and any(source.is_relative_to(ROOT / part) for part in PARTS):
            entry["command"] = GCC_FLAGS.sub("", entry["command"])
            entries.setdefault(entry["file"], entry)
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(list(entries.values())))
    return {name: entry["command"] for name, entry in entries.items()}


@cache
def included(path: Path, folders: tuple[Path, ...]) -> frozenset[Path]:
    """The files of this project that a file includes directly."""
    found = set()
    for name in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE):
        for folder in (path.parent, *folders):
            if (folder / name).is_file():
                found.add((folder / name).resolve())
                break
    return frozenset(found)


def closure(source: Path, command: str) -> set[Path]:
    """A source and all files of this project that it includes."""
    folders = tuple(
        Path(folder)
        for folder in re.findall(r"-I(\S+)", command)
        if Path(folder).is_relative_to(ROOT)
    )
    seen, waiting = {source}, [source]
    while waiting:
        for path in included(waiting.pop(), folders) - seen:
            seen.add(path)
            waiting.append(path)
    return {path for path in seen if path.is_relative_to(ROOT)}


def content(files: set[Path], command: str) -> str:
    """What the verdict on a file depends on, as a name for it."""
    flags = [
        word.replace(str(ROOT), ".")
        for word in shlex.split(command)
        if word.startswith(("-D", "-std", "-m"))
    ]
    digest = hashlib.sha256("\n".join([tidy_version(), *sorted(flags)]).encode())
    digest.update((ROOT / ".clang-tidy").read_bytes())
    for path in sorted(files, key=str):
        digest.update(f"\n{path.relative_to(ROOT)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def tidy_version() -> str:
    return subprocess.run(
        ["clang-tidy", "--version"], capture_output=True, text=True, check=True
    ).stdout


def changed() -> set[Path]:
    """The files that this branch, or if it is the main one its last commit, changes."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    base = git("merge-base", "HEAD", "origin/HEAD") or "HEAD~1"
    if base == git("rev-parse", "HEAD"):
        base = "HEAD~1"
    return {ROOT / name for name in git("diff", "--name-only", base).splitlines()}


def report(output: str, printed: set[str]) -> None:
    """Prints the findings of a file. Those of a header come with each file that includes it."""
    noise = re.compile(r"^(\d+ warnings? .*|Suppressed .*|Use -header.*)\n?", re.MULTILINE)
    for part in re.split(r"^(?=\S+:\d+:\d+: (?:error|warning): )", output, flags=re.MULTILINE):
        finding = noise.sub("", part)
        if finding not in printed:
            print(finding, end="", flush=True)
            printed.add(finding)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--changed", action="store_true", help="the files that the branch changes")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    options = parser.parse_args()
    build = options.build.resolve()
    stamps = cache_folder()
    commands = database(build)
    files = {source: closure(Path(source), command) for source, command in commands.items()}
    names = {source: content(files[source], command) for source, command in commands.items()}
    todo = [source for source, name in names.items() if not (stamps / name).is_file()]
    touched = changed() if options.changed else set()
    first = {source for source in todo if Path(source) in touched}
    affected = {source for source in todo if files[source] & touched}
    if options.changed and len(todo) > (1 - WARM) * len(names):
        print(
            f"clang-tidy: {len(todo)} of {len(names)} files are unknown; "
            "only the changed ones are checked"
        )
        todo = [source for source in todo if source in affected]
    todo.sort(key=lambda source: (source not in first, source not in affected))
    end = time.monotonic() + options.seconds

    def check(source: str) -> tuple[str, int | None, str]:
        if time.monotonic() > end and source not in first:
            return source, None, ""
        done = subprocess.run(
            ["clang-tidy", "--quiet", "-p", build / "tidy", source],
            capture_output=True,
            text=True,
            check=False,
        )
        return source, done.returncode, done.stdout + (done.stderr if done.returncode else "")

    printed: set[str] = set()
    failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for source, status, output in pool.map(check, todo):
            if status == 0:
                (stamps / names[source]).touch()
            elif status is None:
                skipped += 1
            else:
                failed += 1
                print(f"findings in {Path(source).relative_to(ROOT)}", flush=True)
                report(output, printed)
    print(
        f"clang-tidy: {failed} of {len(todo) - skipped} files have findings, "
        f"{len(names) - len(todo)} were known to be clean, {skipped} are left for the next run"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
