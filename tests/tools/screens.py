#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Replaces the screens in docs/reference/tools.md, and the plot, with those of a run in a VM.

    screens.py [--build FOLDER] [--document FILE]

A screen is a block that begins with '    $ COMMAND'. In one boot, the guest runs all commands of
the page in their order. It has two cards, one of them with a downgraded link, and a program that
keeps the first card busy. The output of each command replaces its block.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests/vm"))
from accelvm import kernel as kernels  # noqa: E402

MARK = "@@@@"
LONG = 95  # columns of a screen; the rest of a line becomes an ellipsis


def shortened(screen: str) -> str:
    lines = (line.expandtabs(8).rstrip() for line in screen.splitlines())
    return "\n".join(line if len(line) < LONG else line[: LONG - 1] + "…" for line in lines) + "\n"


def blocks(text: str) -> list[tuple[int, int, str]]:
    """Start, end and command of each block."""
    found = []
    lines = text.splitlines(keepends=True)
    at, place = 0, 0
    while at < len(lines):
        if not lines[at].startswith("    $ "):
            place += len(lines[at])
            at += 1
            continue
        start, command = place, lines[at][6:].strip()
        while (
            at < len(lines)
            and (lines[at].startswith("    ") or not lines[at].strip())
            and not (place > start and lines[at].startswith("    $ "))
        ):
            place += len(lines[at])
            at += 1
        found.append((start, place, command))
    return found


def script(commands: list[str]) -> str:
    """The script for the guest: a load, then every command, each after a mark."""
    # The benchmark measures latency and job rate first; after this time it copies.
    words = [
        "#!/bin/sh",
        "export TERM=dumb",
        "accelctl bench 0 --seconds 0.7 --max-size 64 >/dev/null 2>&1 &",
        "sleep 7",
    ]
    for command in commands:
        words += [f"echo '{MARK}'", f"{command} 2>&1"]
    words += ["wait", "accelctl bench 0 --seconds 0.1 --svg /results/bench.svg >/dev/null"]
    return "\n".join(words) + "\n"


def take(build: Path, commands: list[str], results: Path) -> list[str]:
    release = kernels.get(None).release
    with tempfile.TemporaryDirectory(prefix="accel-screens.") as name:
        program = Path(name) / "screens.sh"
        program.write_text(script(commands))
        program.chmod(0o755)
        command = [
            str(PROJECT / "tests/vm/vm.py"),
            "--module",
            str(build / "driver" / release / "accel.ko"),
            "--card",
            "serial=1",
            "--card",
            "serial=2,memory-size=64M,trained-width=4",
            "--program",
            str(build / "tools/lsaccel"),
            "--program",
            str(build / "tools/accelctl"),
            "--files",
            "/usr/share/misc/pci.ids",
            "--program",
            str(program),
            "--results",
            str(results),
            "--",
            "screens.sh",
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ACCEL_PCI_SO": str(build / "qemu-device/accel-pci.so")},
        )
    if done.returncode != 0:
        sys.exit(f"error: {shlex.join(command)} ended with {done.returncode}: {done.stderr}")
    screens = done.stdout.split(f"{MARK}\n")[1:]
    if len(screens) != len(commands):
        sys.exit(f"error: {len(commands)} commands gave {len(screens)} screens")
    return [shortened(screen) for screen in screens]


def indented(command: str, screen: str) -> str:
    lines = [
        f"$ {command}",
        *(line.expandtabs(8)[:LONG].rstrip() for line in screen.rstrip("\n").splitlines()),
    ]
    return "".join(f"    {line}\n" if line else "\n" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=Path, default=PROJECT / "build")
    parser.add_argument("--document", type=Path, default=PROJECT / "docs/reference/tools.md")
    options = parser.parse_args()
    text = options.document.read_text()
    places = blocks(text)
    with tempfile.TemporaryDirectory(prefix="accel-screens.") as name:
        results = Path(name)
        screens = take(options.build.absolute(), [command for _, _, command in places], results)
        plot = (results / "bench.svg").read_text()
    for (start, end, command), screen in reversed(list(zip(places, screens, strict=True))):
        text = text[:start] + indented(command, screen) + text[end:]
    options.document.write_text(text.rstrip("\n") + "\n")
    (options.document.parent / "tools-bench.svg").write_text(plot)
    print(f"{len(screens)} screens in {options.document}")


if __name__ == "__main__":
    main()
