#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that includes and calls point one way in the driver, the SDK, the compiler and the card.

    layers.py

Each part names its layers itself, lowest first, in comments of its build file:

    # layer 0: accel_mmio accel_trace
    # layer 1: accel_admin

An entry is a file without its extension, or a folder. An include, or in the driver a call of a
function of another file, must not point to a higher layer, and the files of a part must not form a
circle. A call through a table of functions is no arrow: that is how a lower layer reaches a higher
one. An entry of a file has precedence over that of its folder.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Arrows = dict[str, dict[str, str]]  # by file: the files it needs, each with an example


@dataclass
class Part:
    """A part of the tree whose files have layers."""

    folder: str
    layers: str  # the file that names the layers
    calls: bool = False  # look at calls, too
    files: dict[str, str] = field(default_factory=dict)  # text by path below the folder


PARTS = (
    Part("driver", "driver/Kbuild", calls=True),
    Part("libaccel/src", "libaccel/CMakeLists.txt"),
    Part("libaccel/emulated", "libaccel/emulated/CMakeLists.txt"),
    Part("libaccel/compiler", "libaccel/compiler/CMakeLists.txt"),
    Part("qemu-device/core", "qemu-device/core/CMakeLists.txt"),
)


def read(part: Part) -> None:
    done = subprocess.run(
        ["git", "ls-files", part.folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in done.stdout.splitlines():
        path = ROOT / name
        if (
            path.suffix in (".c", ".h", ".cpp", ".hpp")
            and path.is_file()
            and "/compat/" not in name
            and "/include/" not in name
        ):
            text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
            part.files[name[len(part.folder) + 1 :]] = re.sub(r"//.*", "", text)


def unit(name: str) -> str:
    """A source and the header of the same name are one unit."""
    return name.rsplit(".", 1)[0]


def layers_of(part: Part) -> tuple[dict[str, int], list[str]]:
    """The layer of each unit, and what is wrong with the list."""
    entries: dict[str, int] = {}
    for line in (ROOT / part.layers).read_text().splitlines():
        if found := re.match(r"^# layer (\d+): (.*)$", line):
            entries |= dict.fromkeys(found[2].split(), int(found[1]))
    if not entries:
        return {}, [f"{part.layers}: it names no layers"]
    result, findings = {}, []
    for name in {unit(file) for file in part.files}:
        path = Path(name)
        for candidate in (name, path.name, *(str(folder) for folder in path.parents)):
            if candidate in entries:
                result[name] = entries[candidate]
                break
        else:
            findings.append(f"{part.folder}/{name}: {part.layers} gives it no layer")
    for entry in entries:
        if not any(
            name == entry or Path(name).name == entry or name.startswith(f"{entry}/")
            for name in result
        ):
            findings.append(f"{part.layers}: there is no file or folder '{entry}'")
    return result, findings


def includes(part: Part) -> Arrows:
    arrows: Arrows = defaultdict(dict)
    for name, text in part.files.items():
        for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE):
            beside = str(Path(name).parent / included)
            for candidate in (beside, included):
                if candidate in part.files:
                    arrows[unit(name)].setdefault(unit(candidate), f"includes {included}")
                    break
            else:
                for other in part.files:  # a folder of the search path
                    if other.endswith(f"/{included}"):
                        arrows[unit(name)].setdefault(unit(other), f"includes {included}")
    return arrows


def calls(part: Part) -> Arrows:
    """Calls of functions that another file defines. A name without parentheses is no call."""
    defined: dict[str, str] = {}
    for name, text in part.files.items():
        if name.endswith(".c"):
            for found in re.finditer(
                r"^(?!static\b|#)[a-z_][\w\s*]*?\b(\w+)\([^;{]*?\)\s*\{", text, re.MULTILINE
            ):
                defined[found[1]] = unit(name)
    arrows: Arrows = defaultdict(dict)
    for name, text in part.files.items():
        for called in set(re.findall(r"\b([a-z]\w+)\(", text)):
            owner = defined.get(called)
            if owner and name.endswith(".c") and owner != unit(name):
                arrows[unit(name)].setdefault(owner, f"calls {called}()")
    return arrows


def circles(arrows: Arrows) -> list[list[str]]:
    """The strongly connected components of more than one file (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in arrows.get(node, {}):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            position = stack.index(node)
            component = stack[position:]
            del stack[position:]
            if len(component) > 1:
                found.append(sorted(component))

    for node in list(arrows):
        if node not in index:
            visit(node)
    return found


def check(part: Part) -> list[str]:
    read(part)
    layers, findings = layers_of(part)
    arrows = includes(part)
    if part.calls:
        for name, targets in calls(part).items():
            for target, example in targets.items():
                arrows[name].setdefault(target, example)
    for name, targets in sorted(arrows.items()):
        for target, example in sorted(targets.items()):
            if layers.get(target, -1) > layers.get(name, sys.maxsize):
                findings.append(
                    f"{part.folder}/{name} {example}: that points up, from layer "
                    f"{layers[name]} to layer {layers[target]} ({target})"
                )
    for circle in circles(arrows):
        findings.append(f"{part.folder}: these files form a circle: {', '.join(circle)}")
    return findings


def main() -> int:
    findings = [finding for part in PARTS for finding in check(part)]
    print("\n".join(findings))
    files = sum(len(part.files) for part in PARTS)
    print(f"layers: {len(findings)} findings in {files} files of {len(PARTS)} parts")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
