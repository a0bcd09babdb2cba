# SPDX-License-Identifier: Apache-2.0
"""A boot that failed because of the emulator is tried again a few times; no other failure is."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from accelvm import run
from accelvm.initramfs import Payload
from accelvm.machine import Machine
from accelvm.verdict import Verdict, VmError


class Boot(unittest.TestCase):
    def execute(self, *endings):
        """Runs with boots that end in this order. Returns the result and the number of boots."""
        with (
            mock.patch.object(run, "_boot", side_effect=endings) as boot,
            mock.patch.object(run.kernels, "get"),
            mock.patch.object(run, "_signals_end_the_run"),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            try:
                return run.execute(
                    run.Run(Payload(), Machine(), console_log=self.log)
                ), boot.call_count
            except VmError as error:
                return error.verdict, boot.call_count

    def setUp(self):
        self.log = (
            Path(self.enterContext(tempfile.TemporaryDirectory(prefix="accel-boot."))) / "console"
        )
        self.mispatched = run._Mispatched(Verdict.NO_BOOT, "planted")
        self.good = run.Outcome(0, 1.0, 2.0, {})

    def test_a_fault_of_the_emulator_is_followed_by_another_boot(self):
        self.assertEqual(self.execute(self.mispatched, self.good), (self.good, 2))

    def test_an_emulator_that_always_fails_is_a_failure(self):
        self.assertEqual(
            self.execute(*[self.mispatched] * run.BOOTS, self.good), (Verdict.NO_BOOT, run.BOOTS)
        )

    def test_no_other_fault_is_followed_by_another_boot(self):
        for verdict in Verdict:
            self.assertEqual(self.execute(VmError(verdict, "planted"), self.good), (verdict, 1))


class Processors(unittest.TestCase):
    def smp(self, **options) -> str:
        path = Path("/nowhere")
        command = Machine(cards=[], **options).command(path, path, path, path, path)
        return command[command.index("-smp") + 1]

    def test_a_guest_has_its_memory_barriers_unless_the_card_has_no_threads(self):
        self.assertEqual(self.smp(), "1,maxcpus=2")
        self.assertEqual(self.smp(processors=4), "4,maxcpus=4")
        self.assertEqual(self.smp(qemu_arguments=["-icount", "shift=0,sleep=off"]), "1")
