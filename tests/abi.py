#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the binary interface of the headers in include/ and of accel.h with their records.

    abi.py                    lists the changes; the exit code is 1 if there is one
    abi.py --record           adds new members and constants to the record; refuses a change that
                              breaks compiled programs
    abi.py --record --break   records such a change, too: before a first release, or with a new
                              major version

A record is text for people: each structure with offset, size, type and name of its members, then
the constants with their values. pahole reads the structures from the compiler's debug data; a small
program prints the values.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INCLUDE = ROOT / "include"
HEADERS = ("accel_uapi.h", "accel_hw.h")
C_HEADER = "accel.h"  # of the C interface
C_INCLUDE = ROOT / "libaccel/c/include"

# Constants that may grow: masks of all known flags, and versions.
GROWS = re.compile(r"_FLAGS$|^ACCEL_VERSION(_MINOR)?$")


@dataclass(frozen=True)
class Member:
    """A member of a structure. The name of a member of a nested structure is a path."""

    offset: int
    size: int
    type: str
    name: str

    @property
    def reserved(self) -> bool:
        return bool(re.search(r"(^|\.)reserved\d*(\[|$)", self.name))


@dataclass
class Structure:
    size: int
    members: list[Member] = field(default_factory=list)

    @property
    def extensible(self) -> bool:
        """The structure begins with its size: the reader learns how much of it the writer knew."""
        return bool(self.members) and self.members[0] in (
            Member(0, 4, "__u32", "size"),
            Member(0, 4, "uint32_t", "size"),
        )


@dataclass
class Interface:
    structures: dict[str, Structure] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)


# ---- From a header -------------------------------------------------------------------------------


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(word) for word in command)} failed:\n{done.stderr}")
    return done.stdout


def of_header(header: Path, *options: str) -> Interface:
    """The interface of a header. `options` are the compiler's.

    With options (-m32) there are no constants, because the program that prints them may not run.
    """
    compiler = os.environ.get("CC", "cc")
    with tempfile.TemporaryDirectory(prefix="accel-abi.") as scratch:
        source, output = Path(scratch, "abi.c"), Path(scratch, "abi")
        source.write_text(f'#include "{header.name}"\n')
        _run(
            compiler,
            *options,
            "-I",
            header.parent,
            "-g",
            "-fno-eliminate-unused-debug-types",
            "-c",
            source,
            "-o",
            output,
        )
        interface = Interface(_structures(_run("pahole", output)))
        if options:
            return interface
        names = _constant_names(_text_of_all(header))
        lines = "".join(
            f'    printf("{name} %llu\\n", (unsigned long long)({name}));\n' for name in names
        )
        includes = f'#include <stdio.h>\n#include "{header.name}"\n'
        source.write_text(f"{includes}int main(void)\n{{\n{lines}    return 0;\n}}\n")
        _run(compiler, "-I", header.parent, source, "-o", output)
        for line in _run(output).splitlines():
            name, value = line.split()
            interface.constants[name] = int(value)
    return interface


def _text_of_all(header: Path) -> str:
    """The header after those of its folder that it includes."""
    text = header.read_text()
    included = re.findall(r'^#include "(.+)"$', text, re.MULTILINE)
    return "".join((header.parent / name).read_text() for name in included) + text


def _constant_names(text: str) -> list[str]:
    """Macros without arguments but with a value, and enumerators, in the order of the header."""
    code = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    pattern = r"^#define[ \t]+(ACCEL_\w+)[ \t]+\S|^[ \t]*(ACCEL_\w+)[ \t]*="
    names = [macro or constant for macro, constant in re.findall(pattern, code, re.MULTILINE)]
    return [name for name in names if not name.endswith("_API")]


_MEMBER = re.compile(
    r"^(?P<type>.*?)\s*\b(?P<name>\w+(\[\d+\])*);\s+/\*\s*(?P<offset>\d+)\s+(?P<size>\d+) \*/$"
)
_CLOSE = re.compile(r"^\}\s*(?P<name>\w*(\[\d+\])*);\s+/\*\s*(?P<offset>\d+)\s+(?P<size>\d+) \*/$")


def _structures(text: str) -> dict[str, Structure]:
    found: dict[str, Structure] = {}
    name = ""
    levels: list[list[Member]] = []
    for line in (raw.strip() for raw in text.splitlines()):
        if start := re.match(r"^(?:struct|union) (\w+) \{$", line):
            name, levels = start[1], [[]]
        elif not levels:
            continue
        elif line.endswith("{"):
            levels.append([])
        elif close := _CLOSE.match(line):
            prefix = f"{close['name']}." if close["name"] else ""
            inner = levels.pop()
            levels[-1] += [Member(m.offset, m.size, m.type, prefix + m.name) for m in inner]
        elif member := _MEMBER.match(line):
            levels[-1].append(
                Member(
                    int(member["offset"]),
                    int(member["size"]),
                    member["type"].strip(),
                    member["name"],
                )
            )
        elif size := re.match(r"^/\* size: (\d+)", line):
            if name.startswith("accel_") and len(levels) == 1:
                found[name] = Structure(int(size[1]), levels[0])
        elif line == "};":
            levels = []
    return found


# ---- The record ----------------------------------------------------------------------------------


def text_of(header: str, interface: Interface) -> str:
    lines = [
        f"# The binary interface of {header}, recorded by `make abi`.",
        "# New members and constants may be added; existing ones must not change.",
        "# Members: offset, size, type, name.",
    ]
    for name, structure in interface.structures.items():
        lines += ["", f"struct {name}, {structure.size} bytes"]
        lines += [f"  {m.offset:4} {m.size:4}  {m.type:<24} {m.name}" for m in structure.members]
    lines.append("")
    lines += [f"{name} = {value:#x}" for name, value in interface.constants.items()]
    return "\n".join(lines) + "\n"


def of_record(text: str) -> Interface:
    interface = Interface()
    for line in text.splitlines():
        if start := re.match(r"^struct (\w+), (\d+) bytes$", line):
            structure = interface.structures[start[1]] = Structure(int(start[2]))
        elif member := re.match(r"^ +(\d+) +(\d+)  (.+?) +(\S+)$", line):
            structure.members.append(Member(int(member[1]), int(member[2]), member[3], member[4]))
        elif constant := re.match(r"^(\w+) = (\S+)$", line):
            interface.constants[constant[1]] = int(constant[2], 16)
    return interface


# ---- Changes -------------------------------------------------------------------------------------


@dataclass
class Changes:
    """One sentence for each change."""

    breaks: list[str] = field(default_factory=list)
    additions: list[str] = field(default_factory=list)


def compare(old: Interface, new: Interface) -> Changes:
    changes = Changes()
    for name, structure in old.structures.items():
        if name in new.structures:
            _compare_structure(name, structure, new.structures[name], changes)
        else:
            changes.breaks.append(f"struct {name} was removed")
    changes.additions += [
        f"struct {name} is new" for name in new.structures if name not in old.structures
    ]
    for name, value in old.constants.items():
        now = new.constants.get(name)
        if now is None:
            changes.breaks.append(f"{name} was removed")
        elif now != value:
            grown = (
                GROWS.search(name) and now > value and (now & value == value or "VERSION" in name)
            )
            (changes.additions if grown else changes.breaks).append(
                f"{name} was {value:#x} and is {now:#x}"
            )
    changes.additions += [f"{name} is new" for name in new.constants if name not in old.constants]
    return changes


def _compare_structure(name: str, old: Structure, new: Structure, changes: Changes) -> None:
    by_name = {member.name: member for member in new.members}
    for member in old.members:
        now = by_name.get(member.name)
        if now == member:
            continue
        if member.reserved:
            changes.additions.append(f"{name}.{member.name} is used")
        elif now is None:
            changes.breaks.append(f"{name}.{member.name} was removed")
        elif now.offset != member.offset:
            changes.breaks.append(
                f"{name}.{member.name} was at {member.offset} and is at {now.offset}"
            )
        else:
            changes.breaks.append(
                f"{name}.{member.name} was {member.type} of {member.size} bytes and is {now.type} "
                f"of {now.size}"
            )
    known = {member.name for member in old.members}
    changes.additions += [
        f"{name}.{member.name} is new"
        for member in new.members
        if member.name not in known and not member.reserved
    ]
    if new.size > old.size and old.extensible:
        changes.additions.append(f"{name} grew from {old.size} to {new.size} bytes")
    elif new.size != old.size:
        changes.breaks.append(
            f"{name} had {old.size} bytes and has {new.size}, and does not begin with its size"
            if new.size > old.size
            else f"{name} shrank from {old.size} to {new.size} bytes"
        )


def path_of(header: str) -> Path:
    return (C_INCLUDE if header == C_HEADER else INCLUDE) / header


def record_of(header: str) -> Path:
    record = header.replace(".h", ".abi")
    return C_INCLUDE.parent / record if header == C_HEADER else INCLUDE / record


def sentences(header: str, changes: Changes) -> list[str]:
    """The messages for the author of the changes."""
    record = record_of(header).name
    return [
        *(
            f"{header}: {sentence}: this breaks programs that are already compiled. Revert it, and "
            f"add new members at the end instead."
            for sentence in changes.breaks
        ),
        *(
            f"{header}: {sentence}: run `make abi` to record it in {record}, and commit that file."
            for sentence in changes.additions
        ),
    ]


def changes_of(header: str) -> Changes:
    return compare(of_record(record_of(header).read_text()), of_header(path_of(header)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="add new members and constants")
    parser.add_argument(
        "--break", dest="forced", action="store_true", help="record breaking changes, too"
    )
    options = parser.parse_args()
    failed = False
    for header in (*HEADERS, C_HEADER):
        changes = changes_of(header)
        print("".join(f"{sentence}\n" for sentence in sentences(header, changes)), end="")
        if options.record and (options.forced or not changes.breaks):
            record_of(header).write_text(text_of(header, of_header(path_of(header))))
        elif changes.breaks or changes.additions:
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
