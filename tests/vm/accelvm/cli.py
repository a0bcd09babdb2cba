# SPDX-License-Identifier: Apache-2.0
"""The command line of the harness."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import NoReturn

from . import known
from .initramfs import Payload
from .machine import Machine
from .run import Run, execute
from .verdict import Verdict, VmError, command_status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise VmError(Verdict.SETUP, f"{message} (vm.py --help lists the options)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vm.py",
        usage="%(prog)s [options] -- COMMAND [ARGUMENT...]",
        description="Boots Debian's kernel in QEMU with the card, loads modules, and runs COMMAND "
        "in the guest. The exit code is the command's, or one of 70-79; docs/project/testing.md "
        "lists them.",
    )
    _add_guest(parser.add_argument_group("contents of the guest"))
    _add_machine(parser.add_argument_group("the machine"))
    _add_run(parser.add_argument_group("the run"))
    parser.add_argument("command", nargs="*", metavar="COMMAND")
    return parser


def _add_guest(guest: argparse._ArgumentGroup) -> None:
    guest.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="FILE[,PARAMETER...]",
        help="kernel module to load, in this order",
    )
    guest.add_argument(
        "--stock-module",
        action="append",
        default=[],
        metavar="NAME",
        help="module of Debian's kernel to load first",
    )
    guest.add_argument(
        "--program",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="program for /usr/bin, with its libraries",
    )
    guest.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="PATH[:TARGET]",
        help="file or folder, and its path in the guest; default: the same absolute path",
    )
    guest.add_argument(
        "--share",
        type=Path,
        metavar="FOLDER",
        help="folder of the host that the guest sees as /host while it runs, and can write to",
    )
    guest.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    guest.add_argument(
        "--device",
        action="append",
        metavar="NODE",
        help="node that must appear; default: /dev/accelN for each card, if a module is loaded",
    )


def _add_machine(machine: argparse._ArgumentGroup) -> None:
    machine.add_argument(
        "--card",
        action="append",
        metavar="KEY=VALUE[,...]",
        help="a card and its properties; default: one card without properties, like ''",
    )
    machine.add_argument("--no-card", action="store_true", help="plain QEMU, no card")
    machine.add_argument(
        "--smp", type=_count, default=1, metavar="N", help="virtual CPUs (default 1)"
    )
    machine.add_argument("--memory", default="1G", metavar="SIZE", help="default 1G")
    machine.add_argument(
        "--append", action="append", default=[], metavar="TEXT", help="kernel command line"
    )
    machine.add_argument(
        "--qemu-arg", action="append", default=[], metavar="TEXT", help="argument for QEMU"
    )
    machine.add_argument("--qmp", type=Path, metavar="SOCKET", help="make a QMP socket here")
    machine.add_argument(
        "--monitor",
        action="store_true",
        help="give the guest QEMU's monitor (QMP) as virtio port accel.monitor",
    )
    machine.add_argument(
        "--kernel",
        metavar="NAME",
        help="6.1, rt, 6.12, debug, or a release; default: ACCEL_KERNEL, or that of the "
        "installed headers",
    )


def _add_run(run: argparse._ArgumentGroup) -> None:
    run.add_argument(
        "--timeout",
        type=_seconds,
        default=300,
        metavar="SECONDS",
        help="from boot to end (default 300)",
    )
    run.add_argument("--boot-timeout", type=_seconds, default=120, metavar="SECONDS")
    run.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help="kernel console; default: kept only if the run fails",
    )
    run.add_argument(
        "--results", type=Path, metavar="FOLDER", help="gets what COMMAND leaves in /results"
    )
    run.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="REGEX",
        help="kernel messages that are expected in this run",
    )
    run.add_argument(
        "--known",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="known complaints of the kernel: TOML, with the trace that each must have",
    )
    run.add_argument(
        "--controls",
        action="store_true",
        help="expect the known complaints with the traces of their controls",
    )
    run.add_argument(
        "--known-report", type=Path, metavar="FILE", help="gets the known complaints seen, as JSON"
    )
    run.add_argument(
        "--leaks",
        action="store_true",
        help="scan for leaked memory before and after the modules are unloaded (debug kernel)",
    )
    run.add_argument(
        "--interactive",
        action="store_true",
        help="a shell in the guest instead of COMMAND; without a terminal it reads its commands "
        "from the standard input",
    )
    run.add_argument("--verbose", action="store_true", help="print the times of boot and run")


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds above 0")
    return value


def _pair(text: str, option: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise VmError(Verdict.SETUP, f"{option} needs NAME=VALUE, not '{text}'")
    return name, value


def _file(text: str) -> tuple[Path, str]:
    source, _, target = text.partition(":")
    return Path(source), target or str(Path(source).absolute())


def _module(text: str) -> tuple[Path, str]:
    path, _, parameters = text.partition(",")
    return Path(path), parameters.replace(",", " ")


def _run(options: argparse.Namespace) -> Run:
    if bool(options.command) == options.interactive:
        raise VmError(Verdict.SETUP, "give either a command or --interactive")
    if options.share and not options.share.is_dir():
        raise VmError(Verdict.SETUP, f"--share: {options.share} is no folder")
    terminal = options.interactive and sys.stdin.isatty()
    piped = options.interactive and not terminal
    cards = [] if options.no_card else options.card or [""]
    devices = options.device
    if devices is None:
        devices = [f"/dev/accel{i}" for i in range(len(cards))] if options.module else []
    payload = Payload(
        command=options.command,
        modules=[_module(text) for text in options.module],
        stock_modules=options.stock_module,
        programs=options.program,
        files=[_file(text) for text in options.files],
        environment=dict(_pair(text, "--env") for text in options.env),
        devices=devices,
        interactive=terminal,
        piped=piped,
        share=options.share,
        leaks=options.leaks,
    )
    machine = Machine(
        cards=cards,
        processors=options.smp,
        memory=options.memory,
        append=options.append,
        qemu_arguments=options.qemu_arg,
        qmp=options.qmp,
        monitor=options.monitor,
        interactive=terminal,
        piped=piped,
        share=options.share,
    )
    return Run(
        payload,
        machine,
        timeout=options.timeout,
        release=options.kernel,
        console_log=options.log,
        results=options.results,
        allowed=options.allow,
        known=[
            entry for path in options.known for entry in known.read(path, controls=options.controls)
        ],
        boot_limit=options.boot_timeout,
    )


def main(arguments: list[str]) -> int:
    try:
        options = _parser().parse_args(arguments)
        outcome = execute(_run(options))
    except VmError as error:
        print(f"vm: {error}", file=sys.stderr)
        return error.verdict
    except KeyboardInterrupt:
        return 130
    if options.known_report:
        options.known_report.write_text(json.dumps(outcome.known_seen))
    if options.verbose:
        print(
            f"vm: up after {outcome.boot_seconds:.1f} s, all in {outcome.seconds:.1f} s",
            file=sys.stderr,
        )
        for name, count in outcome.known_seen.items():
            print(f"vm: known complaint of the kernel: {name}, {count} times", file=sys.stderr)
    status = command_status(outcome.status)
    if status != outcome.status:
        print(
            f"vm: the command ended with {outcome.status}, which is a code of the harness: "
            f"reported as {status}",
            file=sys.stderr,
        )
    return status
