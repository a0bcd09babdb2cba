# SPDX-License-Identifier: Apache-2.0
"""The VM for people: its shell on a terminal, and the folder that it shares with the host."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

from accelvm.verdict import Verdict

VM = Path(__file__).resolve().parents[1] / "vm/vm.py"
SHELL = [sys.executable, str(VM), "--no-card", "--interactive", "--memory", "256M"]


class Share(unittest.TestCase):
    def test_a_folder_of_the_host_is_shared_while_the_guest_runs(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="accel, share.")))
        (folder / "question").write_text("41\n")
        script = (
            "read n </host/question; echo $((n + 1)) >/host/answer; "
            "until [ -e /host/end ]; do sleep 0.1; done"
        )
        harness = subprocess.Popen(
            [sys.executable, VM, "--no-card", "--share", folder, "--", "sh", "-c", script]
        )
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and not (folder / "answer").exists():
                self.assertIsNone(harness.poll())
                time.sleep(0.1)
            self.assertEqual((folder / "answer").read_text(), "42\n")
            (folder / "end").write_text("")
            self.assertEqual(harness.wait(60), 0)
        finally:
            harness.kill()
            harness.wait()

    def test_a_missing_folder_is_an_error_before_the_boot(self):
        expect_refused(self, "--share", "/nosuch", words="/nosuch is no folder")


def expect_refused(test: unittest.TestCase, *options: str, words: str) -> None:
    """Expects that vm.py refuses the options in one line, and leaves nothing behind."""
    folder = test.enterContext(tempfile.TemporaryDirectory(prefix="accel-options."))
    done = subprocess.run(
        [sys.executable, VM, *options, "--", "true"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": folder},
    )
    test.assertEqual((done.returncode, done.stderr.count("\n")), (Verdict.SETUP, 1), done.stderr)
    test.assertIn(words, done.stderr)
    test.assertNotIn("kernel log", done.stderr)
    test.assertEqual(os.listdir(folder), [])


class Options(unittest.TestCase):
    def test_what_no_machine_can_have_is_refused(self):
        for options, words in (
            (["--smp", "0"], "'0' is not a whole number above 0"),
            (["--smp", "x"], "'x' is not a whole number above 0"),
            (["--timeout", "-1"], "'-1' is not a number of seconds above 0"),
            (["--boot-timeout", "nan"], "'nan' is not a number of seconds above 0"),
            (["--kernel", "bogus"], "there is no kernel 'bogus': give 6.1, rt, "),
        ):
            expect_refused(self, "--no-card", *options, words=words)

    def test_a_missing_program_leaves_no_log(self):
        expect_refused(self, "--no-card", "--program", "/nosuch/file", words="/nosuch/file")

    def test_what_qemu_refuses_is_an_error_of_the_host(self):
        expect_refused(self, "--no-card", "--memory", "many", words="QEMU did not start: ")


class Shell(unittest.TestCase):
    """The interactive shell, used through a terminal like a person would."""

    def setUp(self):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 37, 123, 0, 0))
            os.execv(sys.executable, SHELL)
        self.addCleanup(os.close, self.terminal)
        self.seen = b""

    def until(self, text: bytes) -> bytes:
        """The terminal's output before `text`; fails if `text` does not appear."""
        deadline = time.monotonic() + 120
        while text not in self.seen:
            ready, _, _ = select.select([self.terminal], [], [], deadline - time.monotonic())
            self.assertTrue(ready, f"{text!r} did not appear after {self.seen!r}")
            try:
                self.seen += os.read(self.terminal, 4096)
            except OSError:
                self.fail(f"the shell ended: {self.seen!r}")
        before, _, self.seen = self.seen.partition(text)
        return before

    def type(self, text: bytes) -> None:
        os.write(self.terminal, text)

    def test_commands_ctrl_c_and_a_clean_end(self):
        self.until(b"accel:")
        self.until(b"# ")
        self.type(b"echo $((6 * 7)) on $(tty)\n")
        self.until(b"42 on /dev/ttyS1")
        self.type(b"stty size\n")
        self.until(b"37 123")
        self.type(b"sh -c 'echo asl''eep; exec sleep 1000'\n")
        self.until(b"asleep")
        self.type(b"\x03")
        self.until(b"# ")
        self.type(b"tail /dev/zero; echo en''ded $?\n")
        self.until(b"ended 137")  # the kernel killed it, as the memory was used up
        self.until(b"# ")
        self.type(b"exit\n")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1]), 0)


class ShellWithoutATerminal(unittest.TestCase):
    """The shell reads its commands from a pipe or a file, and ends with them."""

    def run_shell(self, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            SHELL, capture_output=True, text=True, check=False, timeout=180, **options
        )

    def test_commands_from_a_pipe_run_from_the_first_one_on(self):
        lines = "".join(f"echo line {i} of $((6 * 7))\n" for i in range(2000))
        done = self.run_shell(input=lines + "exit 3\n")
        self.assertEqual((done.returncode, done.stderr), (3, ""))
        self.assertEqual(done.stdout.splitlines(), [f"line {i} of 42" for i in range(2000)])

    def test_it_ends_with_its_input(self):
        self.assertEqual(self.run_shell(stdin=subprocess.DEVNULL).returncode, 0)
        self.assertEqual(self.run_shell(input="echo a b").stdout, "a b\n")

    def test_it_ends_when_its_terminal_is_closed(self):
        master, slave = pty.openpty()
        harness = subprocess.Popen(
            SHELL,
            stdin=slave,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so the terminal is not its own, and no signal tells it
        )
        os.close(slave)
        try:
            time.sleep(3)
            self.assertIsNone(harness.poll())
            os.close(master)
            self.assertNotEqual(harness.wait(60), 0)
        finally:
            harness.kill()
            harness.wait()
