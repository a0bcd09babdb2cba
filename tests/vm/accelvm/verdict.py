# SPDX-License-Identifier: Apache-2.0
"""How a run in the VM ends, and the exit code that says so.

A gate is worth what it can tell apart: each way to fail has a code of its own, so that a test can demand that the
run failed for the reason planted and not for another one.
"""

import enum


class Verdict(enum.IntEnum):
    """Exit codes of the harness. Codes outside 70-79 are the guest command's own."""

    SETUP = 70  # the host side is not ready: a file, a package or an option is missing
    SPLAT = 71  # the kernel complained, or is tainted at the end
    DIED = 72  # the guest or QEMU ended before the command did: panic, crash, power-off
    TIMEOUT = 73  # the command did not end in time
    TRUNCATED = 74  # the guest said it was done, but what it handed back is not whole
    MODULE = 75  # a kernel module did not load
    DEVICE = 76  # the module loaded, but a device node did not appear
    NO_BOOT = 77  # the kernel never reached the harness's init


FIRST_RESERVED, LAST_RESERVED = 70, 79


class VmError(Exception):
    """A run that cannot be called a result. `str()` is one line for a person to read."""

    def __init__(self, verdict: Verdict, sentence: str) -> None:
        super().__init__(sentence)
        self.verdict = verdict


def command_status(status: int) -> int:
    """The exit code for a command that ended with `status`, kept clear of the harness's own codes."""
    return 1 if FIRST_RESERVED <= status <= LAST_RESERVED else status
