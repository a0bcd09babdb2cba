#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks how the project writes: sentences, words and line lengths.

    prose.py            checks every file that git tracks
    prose.py FILE...    checks these files

It refuses three things: more than ten sentences that begin with a bare "Who", "What", "Whoever" or
"Whatever"; a word in a sense for which the glossary (docs/glossary.md) has another one; a line of
more than 100 columns. Tables of Markdown may be wider.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 100
BARE_SENTENCES = 10

CODE = {".c", ".h", ".cpp", ".hpp", ".proto"}
SCRIPT = {".py", ".sh", ".cmake", ".yml", ".in", ".map", ".toml", ".build", ".rules", ".conf"}
NAMES = {
    "Makefile",
    "Kbuild",
    "CMakeLists.txt",
    "packages.txt",
    "run",
    ".clang-tidy",
    "meson.build",
}
# Generated files, texts of others, and this table itself.
EXCLUDED = re.compile(r"^LICENSES/|\.abi$|\.json$|\.dump$|\.svg$|^tools/check/prose\.py$")


@dataclass(frozen=True)
class Word:
    """A pattern that must not occur in the files of `where`, and what to write instead."""

    pattern: re.Pattern[str]
    instead: str
    where: re.Pattern[str]


def word(pattern: str, instead: str, where: str = "") -> Word:
    return Word(re.compile(pattern), instead, re.compile(where))


CPP = r"\.(cpp|hpp|md)$"
WORDS = (
    word(r"(?i)\b(re)?quantis", "quantize"),
    word(
        r"(?i)\bserialis|\bnormalis|\binitialis|\boptimis|\brecognis|\borganis|\bsynchronis",
        "the American spelling, with z",
    ),
    word(
        r"(?i)\bbehaviour|\bneighbour|\bcolour|\bsignalled\b|\bcancelled\b|\blabelled\b",
        "the American spelling",
    ),
    word(
        r"(?i)\brings? (of tests|card|model|qtest|sdk|compiler|files|fuzz|tools|harness|counts|vm"
        r"|iommu|`\w)",
        "suite",
    ),
    word(r"\bRing [0-9]\b", "suite"),
    word(r"(?i)\bcommand buffers?\b", "command list"),
    word(r"(?i)\b(un)?seal(s|ed|ing)?\b", "close a command list; trailer of a file"),
    word(r"\bkick(s|ed|ing)?\b|\bkick\(", "ring the doorbell"),
    word(r"(?i)\buser memory\b", "registered memory, userptr"),
    word(r"\bknobs?\b|\bKnobs?\b|_knobs?\b", "debug properties"),
    word(r"\b[Aa]ccounts?\b|_account(s|_\w+)?\b", "quota", r"^driver/.*\.[ch]$"),
    word(
        r"\baccel_(dma|report|stop|memory|account|user|chunk_name)_",
        "the name of the glossary",
        r"^driver/",
    ),
    word(r"\baccel_reports?\b", "event log", r"^driver/"),
    word(
        r"(?i)\bfigures?\b",
        "sequence number, completion, value",
        r"^(driver|libaccel/(src|include)|qemu-device|include)/",
    ),
    word(
        r"(?i)\bplace[sd]? (a|the|its|an admin|some|all|one|each)? ?commands?\b", "submit, enqueue"
    ),
    word(r"(?i)\bplaced in the ring\b", "submitted, enqueued"),
    word(r"\bshare\(\)", "alias() for a handle, export for memory"),
    word(r"\bNumbers\b(?! |[.,:;])", "NumericFormat", r"^libaccel/.*(hpp|cpp)$"),
    word(r"\bActivation\b", "UnaryOp", r"^libaccel/.*(hpp|cpp)$"),
    word(r"(?i)\b(saved|stored) (compiled )?models?\b", "compiled model"),
    word(r"(?i:\btails?\b)|Tail", "host fallback", r"^libaccel/compiler/"),
    word(r"\bLimbo\b|\bTwin\b|\bPick\b|\bBeside\b", "the name of the glossary", CPP),
    word(r"(?i)\bengines? of bytes\b|\b(of|with|multiplies|in) bytes of\b", "int8, quantized"),
    word(r"\bis had\b|\btakes in\b", "a verb of the domain"),
    word(
        r"(?<![:\w.])(u?int(8|16|32|64)_t|size_t)\b",
        "std::uint64_t and the like",
        r"^(libaccel|tools|tests|qemu-device/core)/.*\.[ch]pp$",
    ),
    word(r"\b(constexpr|const)\b[^;=()]*\bk[A-Z]\w*\b", "a constant in snake_case", r"\.[ch]pp$"),
)

BARE = re.compile(r"(?:^|(?<=[.:;!?] )|(?<=[.!?]  ))(Who|What|Whoever|Whatever)\b (?!is [\w ]+\?)")


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def is_text(name: str) -> bool:
    path = Path(name)
    known = path.suffix in CODE | SCRIPT | {".md"} or path.name in NAMES
    return not EXCLUDED.search(name) and known and (ROOT / name).is_file()


def prose_of(name: str, lines: list[str]) -> Iterator[tuple[int, str]]:
    """The comments of a source file, or the text of a page, one paragraph at a time."""
    suffix = Path(name).suffix
    if suffix in CODE:
        mark = re.compile(r"(?:^|\s)(?://[/!]?<?|/\*+<?|\*(?!/))(?:\s|$)(.*?)(?:\*/)?$")
    elif suffix == ".md":
        mark = re.compile(r"^(?:[#>*|\-\d. ]*)(.*)$")
    else:
        mark = re.compile(r"(?:^|\s)#+\s(.*)$")
    start, paragraph = 0, ""
    fenced = False
    for number, line in enumerate([*lines, ""], 1):
        if suffix == ".md" and line.startswith("```"):
            fenced = not fenced
        found = None if fenced else mark.search(line)
        text = found[1].strip() if found else ""
        new = not text or (suffix == ".md" and re.match(r"\s*[*\-|#>]|\s*\d+\. ", line))
        if new and paragraph:
            yield start, paragraph
            paragraph = ""
        if text:
            if not paragraph:
                start = number
            paragraph = f"{paragraph} {text}".strip()


def bare_sentences(name: str, lines: list[str]) -> Iterator[str]:
    for number, paragraph in prose_of(name, lines):
        for found in BARE.finditer(paragraph):
            sentence = re.split(r"(?<=[.!?])\s", paragraph[found.start() :])[0]
            if not sentence.endswith("?"):
                yield f"{name}:{number}: {sentence[:90]}"


def wrong_words(name: str, lines: list[str]) -> Iterator[str]:
    # The last table of the glossary lists the wrong words themselves.
    if name == "docs/glossary.md" and "## Words that we do not use" in lines:
        lines = lines[: lines.index("## Words that we do not use")]
    for entry in WORDS:
        if not entry.where.search(name):
            continue
        for number, line in enumerate(lines, 1):
            if found := entry.pattern.search(line):
                yield f"{name}:{number}: '{found[0].strip()}': write {entry.instead}"


def long_lines(name: str, lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        table = name.endswith(".md") and line.lstrip().startswith("|")
        address = re.match(r"^\s*(//|#|\*)?\s*\S*https?://\S+$", line)
        if len(line.expandtabs(8)) > COLUMNS and not table and not address:
            yield f"{name}:{number}: {len(line.expandtabs(8))} columns; {COLUMNS} are the limit"


def main(names: list[str]) -> int:
    bare: list[str] = []
    findings: list[str] = []
    for name in filter(is_text, names or tracked()):
        lines = (ROOT / name).read_text(errors="replace").splitlines()
        bare += bare_sentences(name, lines)
        findings += wrong_words(name, lines)
        findings += long_lines(name, lines)
    if len(bare) > BARE_SENTENCES:
        findings += [f"{line}   (a sentence without a subject)" for line in bare]
    print("\n".join(findings))
    print(
        f"prose: {len(findings)} findings, {len(bare)} bare sentences "
        f"({BARE_SENTENCES} are allowed)"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
