# SPDX-License-Identifier: Apache-2.0
"""Makes QEMU's command line for the virtual machine, and owns the QEMU process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import termios
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .verdict import Verdict, VmError

PROJECT = Path(__file__).resolve().parents[3]
LAUNCHER = PROJECT / "qemu-device/qemu-accel"

# A panic ends QEMU at once (-no-reboot), and every complaint of the kernel is a panic. The
# watchdogs have long limits, because an emulated CPU on a busy machine is slow and not locked up.
# For the same reason the kernel does not check that its timer ticks in time: it would panic.
COMMAND_LINE = (
    "console=ttyS0 printk.devkmsg=on panic=-1 oops=panic panic_on_warn=1 hung_task_panic=1 "
    "softlockup_panic=1 watchdog_thresh=60 sysctl.kernel.hung_task_timeout_secs=90 "
    "rcupdate.rcu_cpu_stall_timeout=120 no_timer_check"
)


@dataclass
class Machine:
    """A q35 machine with cards behind root ports that support native PCIe hotplug."""

    # The properties of each card, as in "memory-size=64M,serial=7".
    cards: list[str] = field(default_factory=lambda: [""])
    processors: int = 1
    memory: str = "1G"
    append: list[str] = field(default_factory=list)  # kernel command line
    qemu_arguments: list[str] = field(default_factory=list)
    qmp: Path | None = None
    monitor: bool = False  # the guest gets access to QEMU's monitor
    interactive: bool = False  # the guest has this terminal
    piped: bool = False  # the guest reads the standard input
    share: Path | None = None  # folder of the host that the guest mounts

    def _processors(self) -> str:
        """The value of -smp, with at least two possible processors.

        QEMU omits memory barriers for a guest that never has a second processor, and the threads of
        the card would miss doorbells. With -icount the card has no threads; one processor then
        keeps the counts as they were recorded.
        """
        if any("icount" in argument for argument in self.qemu_arguments):
            return str(self.processors)
        return f"{self.processors},maxcpus={max(self.processors, 2)}"

    def command(
        self, image: Path, initramfs: Path, console: Path, output: Path, report: Path
    ) -> list[str]:
        """The QEMU command line. `console`, `output` and `report` are files that QEMU writes."""
        command = [
            *_qemu(bool(self.cards)),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-machine",
            "q35",
            *_accelerator(),
            "-smp",
            self._processors(),
            "-m",
            self.memory,
            "-kernel",
            str(image),
            "-initrd",
            str(initramfs),
            "-append",
            " ".join([COMMAND_LINE, *self.append]),
            # q35 uses ACPI hotplug by default; real machines use pciehp.
            "-global",
            "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
            "-chardev",
            f"file,id=console,path={console}",
            "-serial",
            "chardev:console",
            "-device",
            "virtio-serial-pci",
        ]
        for name, path in (("report", report), ("output", output)):
            command += [
                "-chardev",
                f"file,id={name},path={path}",
                "-device",
                f"virtserialport,chardev={name},name=accel.{name}",
            ]
        for index, properties in enumerate(self.cards):
            port = f"id=slot{index},chassis={index + 1},slot={index + 1}"
            device = f"accel-pci,id=card{index},bus=slot{index}"
            command += [
                "-device",
                f"pcie-root-port,{port}",
                "-device",
                f"{device},{properties}" if properties else device,
            ]
        if self.share:
            command += _share(self.share)
        if self.interactive:
            command += _TERMINAL
        if self.piped:
            command += _INPUT
        if self.monitor:
            command += _monitor(report.with_name("monitor"))
        if self.qmp:
            command += ["-qmp", f"unix:{self.qmp},server=on,wait=off"]
        return command + self.qemu_arguments


# The port of the guest has flow control, so nothing is lost that arrives before its shell.
_INPUT = (
    "-chardev",
    "stdio,id=input,signal=off",
    "-device",
    "virtserialport,chardev=input,name=accel.input",
)

# Ctrl-] is the escape: Ctrl-] x quits, Ctrl-] c opens QEMU's monitor. The guest gets Ctrl-C.
_TERMINAL = (
    "-echr",
    "0x1d",
    "-chardev",
    "stdio,id=terminal,mux=on,signal=off",
    "-serial",
    "chardev:terminal",
    "-mon",
    "chardev=terminal",
)


def _share(folder: Path) -> list[str]:
    """Gives the guest a folder of the host. Files that it makes belong to the user of QEMU."""
    # A comma separates QEMU's options, and two are one character.
    path = str(folder.absolute()).replace(",", ",,")
    return [
        "-fsdev",
        f"local,id=share,path={path},security_model=none",
        "-device",
        "virtio-9p-pci,fsdev=share,mount_tag=share",
    ]


def _monitor(socket: Path) -> list[str]:
    """Connects a port of the guest to QEMU's monitor.

    With it, a test in the guest reads and sets the card's debug properties.
    """
    return [
        "-chardev",
        f"socket,id=monitor,path={socket},server=on,wait=off",
        "-mon",
        "chardev=monitor,mode=control",
        "-chardev",
        f"socket,id=monitor-guest,path={socket}",
        "-device",
        "virtserialport,chardev=monitor-guest,name=accel.monitor",
    ]


def _qemu(with_card: bool) -> list[str]:
    """The program to start: the launcher that loads the card, or plain QEMU."""
    if with_card:
        if not LAUNCHER.is_file():
            raise VmError(Verdict.SETUP, f"{LAUNCHER} is missing")
        return [str(LAUNCHER)]
    qemu = os.environ.get("QEMU", "qemu-system-x86_64")
    if not shutil.which(qemu):
        raise VmError(
            Verdict.SETUP, f"{qemu} is not installed (package qemu-system-x86): run 'make setup'"
        )
    return [qemu]


def _accelerator() -> list[str]:
    """KVM only if its module is loaded: a /dev/kvm without it can hang the guest."""
    loaded = any(Path(f"/sys/module/{name}").is_dir() for name in ("kvm_intel", "kvm_amd"))
    if loaded and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-accel", "tcg", "-cpu", "max"]
    return ["-accel", "tcg", "-cpu", "max"]


_DEADLY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Qemu:
    """A running QEMU. The end of the `with` block always ends it."""

    def __init__(self, machine: Machine, command: list[str], errors: Path) -> None:
        self._command = command
        self._interactive = machine.interactive
        self._stdin = None if machine.interactive or machine.piped else subprocess.DEVNULL
        self._terminal = termios.tcgetattr(sys.stdin) if machine.interactive else None
        self._errors = errors

    def __enter__(self) -> Qemu:
        # An exception from a signal handler during the start would leak the process: signals are
        # blocked until the start is complete.
        signal.pthread_sigmask(signal.SIG_BLOCK, _DEADLY)
        with self._errors.open("wb") as stderr:
            # In its own session, QEMU does not get the terminal's Ctrl-C. An interactive QEMU needs
            # the terminal.
            self._process = subprocess.Popen(
                self._command,
                stdin=self._stdin,
                stdout=None if self._interactive else stderr,
                stderr=stderr,
                start_new_session=not self._interactive,
                preexec_fn=_prepare_child,
            )
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _DEADLY)  # a pending signal raises here
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._terminal:
            with contextlib.suppress(termios.error):  # the terminal may be closed
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._terminal)

    def status(self) -> int | None:
        """Exit status, or None while it runs."""
        return self._process.poll()

    def complaint(self) -> str:
        """The last line QEMU wrote to its stderr."""
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _prepare_child() -> None:
    """Makes the kernel kill QEMU when the harness dies, even by SIGKILL."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _DEADLY)
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
