#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rewrites a file so that Doxygen reads it: prints the result.

    doxygen_filter.py PAGE.md      links become references, Mermaid diagrams become Graphviz ones
    doxygen_filter.py HEADER.h     kernel-doc and plain comments become Doxygen comments

The pages follow GitHub's Markdown and the headers the kernel's style; Doxygen knows neither.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/check"))
from links import slug  # noqa: E402  (needs the path)

LINK = re.compile(r"(?<!!)\[((?:[^\]\[`]|`[^`]*`)*)\]\(([^)\s]+)\)")
BEHIND = re.compile(
    r"^(\s*(?:[^/\n]*;|#define\s[^/\n]*|\w+ = [^/\n]*,|[^/\n]*\{)[ \t]*)"
    r"/\*(?!\*) (.*?)\*/",
    re.M,
)
# The types that have members; those of an enumeration are constants.
KIND = r"(?:struct|enum) (\w+)"
EDGE = re.compile(r"\s*(\S+) --> ([^\s:]+)(?:: (.*))?$")


def key(page: Path) -> str:
    """The name of a page in references."""
    return re.sub(r"\W", "_", str(page.resolve().relative_to(ROOT).with_suffix("")))


def reference(page: Path, text: str, target: str) -> str:
    if re.match(r"\w+:", target):
        return f"[{text}]({target})"
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page.resolve()
    if path.suffix == ".md":
        place = f"{key(path)}_{slug_key(anchor)}" if anchor else key(path)
        plain = text.replace("`", "").replace('"', "'")
        return f'@ref {place} "{plain}"'
    # Files without a page of their own.
    return text


def slug_key(anchor: str) -> str:
    return re.sub(r"\W", "_", anchor)


def diagram(lines: list[str]) -> list[str]:
    """A state diagram of Mermaid in Graphviz's language."""
    dot = [
        "@dot",
        "digraph states {",
        "rankdir=TB; fontname=Helvetica;",
        "node [shape=box style=rounded fontname=Helvetica fontsize=10];",
        "edge [fontname=Helvetica fontsize=9];",
    ]
    for line in lines:
        if edge := EDGE.match(line):
            source, target = (
                ("start" if at == 0 else "end") if name == "[*]" else name
                for at, name in enumerate(edge.groups()[:2])
            )
            dot.append(f'{source} -> {target} [label="{edge[3] or ""}"];')
    dot += [
        'start [shape=circle label="" style=filled width=0.15 fillcolor=black];',
        'end [shape=doublecircle label="" style=filled width=0.1 fillcolor=black];',
        "}",
        "@enddot",
    ]
    used = "\n".join(dot)
    return [
        line
        for line in dot
        if not re.match(r"(start|end) \[", line)
        or re.search(rf"^{line.split()[0]} ->|-> {line.split()[0]} ", used, re.M)
    ]


def markdown(page: Path) -> str:
    text = page.read_text()
    # A link that spans two lines.
    text = re.sub(r"(\[[^\]\n`]*)\n\s*([^\]\n]*\]\()", r"\1 \2", text)
    out: list[str] = []
    block: list[str] = []
    fence = ""
    for line in text.splitlines():
        mark = re.match(r"(\s*)```(\w*)", line)
        if mark and not fence:
            fence = mark[2] or "text"
            block = []
            if fence != "mermaid":
                language = {"cpp": "{.cpp}", "cmake": "{.cmake}"}.get(fence, "{.unparsed}")
                out.append(f"{mark[1]}```{language}")
        elif mark:
            out += diagram(block) if fence == "mermaid" else [line]
            fence = ""
        elif fence == "mermaid":
            block.append(line)
        elif fence:
            out.append(line)
        elif heading := re.match(r"(#+)\s+(.*)$", line):
            top = heading[1] == "#"
            name = key(page) if top else f"{key(page)}_{slug_key(slug(heading[2]))}"
            title = heading[2].replace("`", "")
            out.append(f"{heading[1]} {title} {{#{name}}}")
        else:
            out.append(LINK.sub(lambda m: reference(page, m[1], m[2]), line))
    return "\n".join(out) + "\n"


def kernel_doc(comment: str) -> tuple[str, dict[str, str]]:
    """A kernel-doc comment: its text, and the text of each member."""
    lines = [re.sub(r"^\s*\*( |$)", "", line) for line in comment.splitlines()[1:-1]]
    found = re.match(KIND + r" - (.*)", lines[0])
    if not found:
        return comment, {}
    members: dict[str, str] = {}
    rest: list[str] = []
    current = ""
    for line in lines[1:]:
        if member := re.match(r"@(\w+):\s*(.*)", line):
            current = member[1]
            members[current] = member[2]
        elif line.startswith(("\t", " ")) and current:
            members[current] += " " + line.strip()
        else:
            current = ""
            rest.append(re.sub(r"@(\w+)", r"`\1`", line))
    brief = re.sub(r"@(\w+)", r"`\1`", found[2])
    text = "\n".join(f" * {line}".rstrip() for line in rest)
    return f"/**\n * {brief[0].upper()}{brief[1:]}.\n{text}\n */", members


def header(path: Path) -> str:
    text = path.read_text()
    members: dict[str, str] = {}

    def comment(found: re.Match[str]) -> str:
        nonlocal members
        body = found[0]
        if body.startswith("/**"):
            new, of = kernel_doc(body)
            owner = re.search(KIND + " - ", body)
            members.update(
                {f"{owner[1]}.{name}": what for name, what in of.items()} if owner else {}
            )
            return new
        if re.match(r"/\* (-{4}|SPDX)", body):
            return body
        body = re.sub(r"(?<![\w`])@(\w+)", r"`\1`", body)
        first = re.match(r"/\*\n \* ([\w.]+\.h) - ", body)
        return f"/**\n * @file\n *{body[2:]}" if first else f"/**{body[2:]}"

    text = re.sub(r"^/\*.*?\*/", comment, text, flags=re.S | re.M)
    # A comment behind a member or a constant describes it.
    text = BEHIND.sub(lambda found: f"{found[1]}/**< {found[2].replace('@', '')}*/", text)
    out: list[str] = []
    owner = ""
    for line in text.splitlines():
        if opening := re.match(KIND + r" \{", line):
            owner = opening[1]
        member = re.match(r"\t(?:__\w+ (\w+)(?:\[.*\])?;|([A-Z]\w+)(?: = \w+)?,)$", line)
        what = members.get(f"{owner}.{member[1] or member[2]}") if member else None
        if what:
            line += f" /**< {re.sub('@', '', what)} */"
        out.append(line)
    return "\n".join(out) + "\n"


def main() -> None:
    path = Path(sys.argv[1])
    sys.stdout.write(markdown(path) if path.suffix == ".md" else header(path))


if __name__ == "__main__":
    main()
