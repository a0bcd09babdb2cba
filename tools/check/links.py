#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that everything that the pages name exists.

    links.py

It checks:

* every link between pages leads to a file, and to a heading of it;
* every path of the repository in a page, and every file name in backticks, exists (patterns and
  placeholders aside);
* every `make` target in backticks exists;
* every test that the comparison or the page on security names exists;
* every `docs/...` that another file names exists.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = "driver|libaccel|include|qemu-device|tests|tools|docs|LICENSES"

LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*$")
# A path in text or code. Placeholders and patterns have characters that end it at once.
PATH = re.compile(rf"(?<![\w/.~$}})-])((?:{FOLDERS})/[\w./+-]*)(?![\w*{{<…$])")
FILE_NAME = re.compile(r"`([\w.-]+\.(?:c|h|cpp|hpp|py|sh|md|svg|proto|abi))`")
TARGET = re.compile(r"`(?:\w+=\S+ )*make ([^`]*)`")
TEST = re.compile(r"`(?:\*/)?([A-Z]\w+)\.(\w+)(?:/\*)?`")
DOCS = re.compile(r"\bdocs/[\w./-]+\.(?:md|svg|png)\b")


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


@cache
def text_of(path: Path) -> str:
    return path.read_text(errors="replace")


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@cache
def anchors(page: Path) -> set[str]:
    found: set[str] = set()
    fenced = False
    for line in text_of(page).splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and (heading := HEADING.match(line)):
            found.add(slug(heading[1]))
    return found


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines outside of code blocks, without code spans: links are only there."""
    fenced = False
    for number, line in enumerate(text_of(page).splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not re.match(r"    (?! *[*\-\d])", line):
            yield number, line


def broken_links(page: Path) -> Iterator[str]:
    # A link may span two lines.
    text = re.sub(r"(\[[^\]\n]*)\n\s*([^\]\n]*\]\()", r"\1 \2", text_of(page))
    for target in LINK.findall(text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists():
            yield f"the link '{target}' leads to no file"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            yield f"the link '{target}' leads to no heading"


def missing_paths(page: Path, names: set[str]) -> Iterator[str]:
    for found in PATH.findall(text_of(page)):
        path = found.rstrip("./")
        if not (ROOT / path).exists():
            yield f"'{path}' does not exist"
    for _, line in prose(page):
        for name in FILE_NAME.findall(line):
            if name not in names:
                yield f"no file is called '{name}'"


def missing_targets(page: Path) -> Iterator[str]:
    known = set(re.findall(r"[\w-]+", text_of(ROOT / "Makefile")))
    for arguments in TARGET.findall(text_of(page)):
        for target in arguments.split():
            if re.fullmatch(r"[a-z-]+", target) and target not in known:
                yield f"the Makefile has no target '{target}'"


def missing_tests(page: Path, files: list[str]) -> Iterator[str]:
    sources = [name for name in files if re.match(r"tests/.*\.(cpp|py)$", name)]
    code = re.sub(r"\s+", "", "".join(text_of(ROOT / name) for name in sources))
    for suite, name in TEST.findall(text_of(page)):
        python = name.startswith("test_")
        if not (f"def{name}(" in code if python else f"({suite},{name})" in code):
            yield f"there is no test '{suite}.{name}'"


def main() -> int:
    files = tracked()
    names = {Path(name).name for name in files}
    findings: list[str] = []
    for name in files:
        path = ROOT / name
        if name.endswith(".md"):
            found = [*broken_links(path), *missing_targets(path)]
            # Changes name what was there.
            if name != "CHANGELOG.md":
                found += missing_paths(path, names)
            if name.endswith(("comparison.md", "security.md")):
                found += missing_tests(path, files)
        elif path.suffix in {".svg", ".png"}:
            continue
        else:
            found = [
                f"'{page}' does not exist"
                for page in DOCS.findall(text_of(path))
                if not (ROOT / page).is_file()
            ]
        findings += [f"{name}: {finding}" for finding in dict.fromkeys(found)]
    print("\n".join(findings))
    print(f"links: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
