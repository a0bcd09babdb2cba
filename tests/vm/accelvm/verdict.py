# SPDX-License-Identifier: Apache-2.0
"""The ways in which a run in the VM ends, with their exit codes.

Each way to fail has its own code, so that a test can check that a run failed for the planted reason
and not for another one.
"""

import enum


class Verdict(enum.IntEnum):
    """Exit codes of the harness. Codes outside 70-79 are the guest command's own."""

    SETUP = 70  # the host is not ready: a file, a package or an option is missing
    SPLAT = 71  # the kernel complained, or is tainted at the end
    DIED = 72  # the guest or QEMU ended before the command did: panic, crash, power-off
    TIMEOUT = 73  # the command did not end in time
    TRUNCATED = 74  # the guest reported its end, but its results are not complete
    MODULE = 75  # a kernel module did not load
    DEVICE = 76  # the module loaded, but a device node did not appear
    NO_BOOT = 77  # the kernel did not start the harness's init


FIRST_RESERVED, LAST_RESERVED = 70, 79


class VmError(Exception):
    """A run without a result. `str()` is one line for the user."""

    def __init__(self, verdict: Verdict, sentence: str) -> None:
        super().__init__(sentence)
        self.verdict = verdict


def command_status(status: int) -> int:
    """The exit code for a command that ended with `status`: 1 instead of a code of the harness."""
    return 1 if FIRST_RESERVED <= status <= LAST_RESERVED else status
