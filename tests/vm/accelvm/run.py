# SPDX-License-Identifier: Apache-2.0
"""One run in the VM: boots, watches, judges and cleans up."""

from __future__ import annotations

import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from . import kernel as kernels
from .console import Watcher, bad_taint
from .initramfs import Payload, pack
from .known import Known
from .machine import Machine, Qemu
from .results import Report, Stage
from .verdict import Verdict, VmError

BOOT_LIMIT = 120  # seconds to the first process; an idle machine takes 4
POLL = 0.02
BOOTS = 3  # boots, if the emulator fails
AFTERMATH = 3.0  # seconds for the kernel to print the rest of a complaint


def _to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@dataclass
class Run:
    """A command, its machine, and the limits of the run."""

    payload: Payload
    machine: Machine
    timeout: float = 300
    release: str | None = None
    console_log: Path | None = None  # default: a temporary file, kept if the run fails
    results: Path | None = None  # folder for the files in the guest's /results
    allowed: list[str] = field(default_factory=list)  # patterns of lines that are no complaint
    known: list[Known] = field(default_factory=list)  # known complaints of the kernel itself
    output: Callable[[bytes], None] = _to_stdout
    boot_limit: float = BOOT_LIMIT


@dataclass
class Outcome:
    """The result of a run: the command ended, and the kernel did not complain."""

    status: int
    boot_seconds: float
    seconds: float
    known_seen: dict[str, int]  # known complaints, by name


class _Mispatched(VmError):
    """The emulator executed stale code of the booting kernel, before any module was loaded."""


def execute(run: Run) -> Outcome:
    """Runs it. Raises VmError if there is no result."""
    _signals_end_the_run()
    kernel = kernels.get(run.release)
    with tempfile.TemporaryDirectory(prefix="accel-vm.") as name:
        scratch = Path(name)
        console = run.console_log or Path(
            tempfile.mkstemp(prefix="accel-console.", suffix=".log")[1]
        )
        console.parent.mkdir(parents=True, exist_ok=True)
        try:
            for left in reversed(range(BOOTS)):
                try:
                    outcome = _boot(run, kernel, scratch, console)
                    break
                except (_Mispatched, _BootSplat) as error:
                    if not left:
                        raise
                    print(f"vm: booting again: {error}", file=sys.stderr)
        except VmError as error:
            if console.exists() and console.stat().st_size == 0:  # the guest did not start
                console.unlink()
                raise
            raise VmError(error.verdict, f"{error} (kernel log: {console})") from error
        except BaseException:
            if not run.console_log:
                console.unlink(missing_ok=True)
            raise
        if not run.console_log:
            console.unlink()
        return outcome


class _BootSplat(VmError):
    """The kernel complained before any test ran.

    An emulated processor sometimes loses a wake-up, and the booting kernel waits for a minute. That
    is no result of a test, unless every boot fails.
    """


def _signals_end_the_run() -> None:
    """Makes SIGTERM and SIGHUP raise an exception, as Ctrl-C does."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


class _Tail:
    """Reads a growing file that QEMU writes."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"")
        self._file: BinaryIO = path.open("rb")

    def more(self) -> bytes:
        return self._file.read()


class _Guest:
    """The three outputs of a guest: console, output of the command, and report."""

    def __init__(self, run: Run, console: Path, output: Path, report: Path) -> None:
        self._forward = run.output
        self._console, self._output, self._report = _Tail(console), _Tail(output), _Tail(report)
        # In a shell a person may use up the memory. The kernel ends that program, not the VM.
        shell = run.payload.interactive or run.payload.piped
        expected = [r"Out of memory: Killed"] if shell else []
        self.watcher = Watcher([*run.allowed, *expected], run.known)
        self.report = Report()

    def poll(self) -> None:
        self.watcher.feed(self._console.more().decode(errors="replace"))
        if output := self._output.more():
            self._forward(output)
        self.report.feed(self._report.more())


def _boot(run: Run, kernel: kernels.Kernel, scratch: Path, console: Path) -> Outcome:
    initramfs, output, report = scratch / "initramfs", scratch / "output", scratch / "report"
    with initramfs.open("wb") as file:
        pack(run.payload, kernel, file)
    guest = _Guest(run, console, output, report)
    command = run.machine.command(kernel.image, initramfs, console, output, report)
    start = time.monotonic()
    with Qemu(run.machine, command, scratch / "errors") as qemu:
        booted = _watch(run, qemu, guest, start)
        guest.poll()
        guest.watcher.finish()
        _judge(run, qemu, guest)
    if run.results:
        guest.report.unpack(run.results)
    assert guest.report.status is not None  # stage DONE implies it
    return Outcome(
        guest.report.status,
        booted - start,
        time.monotonic() - start,
        guest.watcher.known_seen,
    )


def _watch(run: Run, qemu: Qemu, guest: _Guest, start: float) -> float:
    """Watches the guest until it ends or must be ended; returns the time when it was up."""
    booted = start
    complained: float | None = None
    while qemu.status() is None:
        now = time.monotonic()
        guest.poll()
        if guest.report.stage == Stage.BOOT:
            booted = now
            if now - start > run.boot_limit:
                raise VmError(Verdict.NO_BOOT, f"the guest did not boot in {run.boot_limit:.0f} s")
        elif now - booted > run.timeout and not (run.machine.interactive or run.machine.piped):
            if not guest.watcher.complaint:
                where = (
                    "the command did not end"
                    if guest.report.stage == Stage.READY
                    else "the guest did not end"
                )
                raise VmError(Verdict.TIMEOUT, f"{where} in {run.timeout:.0f} s")
            return booted
        if guest.watcher.complaint and not complained:
            complained = now
            if run.machine.interactive:
                print(f"\r\nvm: the kernel complained: {guest.watcher.complaint}\r", flush=True)
        if run.machine.interactive and _terminal_is_closed():
            sys.exit(128 + signal.SIGHUP)
        # A person at the terminal wants to see what follows.
        if complained and now - complained > AFTERMATH and not run.machine.interactive:
            return booted
        try:
            time.sleep(POLL)
        except KeyboardInterrupt:
            if not run.machine.interactive:
                raise
    return booted


def _terminal_is_closed() -> bool:
    """Whether nobody is left at the terminal; only its session's leader gets a signal for that."""
    poll = select.poll()
    poll.register(sys.stdin, 0)
    return bool(poll.poll(0))


def _judge(run: Run, qemu: Qemu, guest: _Guest) -> None:
    """Raises the first error of the run; root causes are checked before their consequences."""
    watcher, report = guest.watcher, guest.report
    if report.stage == Stage.BOOT and watcher.mispatched:
        raise _Mispatched(
            Verdict.NO_BOOT, "the emulator executed code that the booting kernel had replaced"
        )
    if watcher.complaint:
        kind = _BootSplat if report.stage == Stage.BOOT else VmError
        raise kind(Verdict.SPLAT, f"the kernel complained: {watcher.complaint}")
    if report.stage == Stage.BOOT and watcher.silent and (qemu.status() or 0) > 0:
        raise VmError(
            Verdict.SETUP, f"QEMU did not start: {qemu.complaint() or 'it printed no error'}"
        )
    if report.stage == Stage.BOOT and watcher.no_room:
        raise VmError(
            Verdict.SETUP,
            f"the guest's files do not fit into its memory of {run.machine.memory}: "
            "give it more with --memory",
        )
    if report.stage == Stage.BOOT:
        reason = (
            f"its kernel panicked: {watcher.panic}"
            if watcher.panic
            else qemu.complaint() or "it ended"
        )
        raise VmError(Verdict.NO_BOOT, f"the guest did not boot: {reason}")
    if watcher.panic:
        raise VmError(Verdict.DIED, f"the guest's kernel panicked: {watcher.panic}")
    if qemu.status() not in (0, None):
        raise VmError(
            Verdict.DIED,
            f"QEMU ended with {qemu.status()}: {qemu.complaint() or 'it printed no error'}",
        )
    match report.failure:
        case ("module", name):
            raise VmError(Verdict.MODULE, f"module {name} did not load")
        case ("device", name):
            raise VmError(Verdict.DEVICE, f"{name} did not appear")
        case ("unload", name):
            raise VmError(
                Verdict.MODULE, f"module {name} could not be unloaded: something still uses it"
            )
    if report.stage in (Stage.UP, Stage.READY):
        if run.machine.interactive:
            raise VmError(Verdict.DIED, "the machine was switched off from outside")
        raise VmError(Verdict.DIED, "the guest ended before the command did")
    if report.stage != Stage.DONE or report.corrupt:
        raise VmError(Verdict.TRUNCATED, "the guest's result is not complete")
    if bits := bad_taint(report.tainted or 0, known=bool(watcher.known_seen)):
        raise VmError(Verdict.SPLAT, f"the kernel is tainted at the end: {bits:#x}")
