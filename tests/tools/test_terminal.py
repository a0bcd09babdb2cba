# SPDX-License-Identifier: Apache-2.0
"""Keys, colors, progress bars and questions, on a pseudo-terminal that the test controls."""

import fcntl
import itertools
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
import unittest

from machine import BUILD, TIMEOUT, ToolTest, children

RED, GREEN = "\x1b[1;31m", "\x1b[32m"


class Terminal:
    """Runs a program on a pseudo-terminal of 100 columns and 30 rows."""

    def __init__(self, *command: str, env: dict | None = None) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        environment.update({"TERM": "xterm", **(env or {})})
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        self.seen = ""

    def read(self, seconds: float = 0.2) -> str:
        """Reads the output of the given time; returns all output so far."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self.master], [], [], left)[
            0
        ]:
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        return self.seen

    def expect(self, text: str) -> None:
        """Waits until the output contains the text."""
        end = time.monotonic() + TIMEOUT
        while text not in self.seen:
            if time.monotonic() > end:
                raise AssertionError(f"'{text}' is not among {self.seen[-2000:]!r}")
            self.read(0.1)

    def key(self, text: str) -> None:
        self.seen = ""
        os.write(self.master, text.encode())

    def end(self) -> int:
        """Waits for the end of the program; returns its exit status."""
        end = time.monotonic() + TIMEOUT
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        self.read(0.1)
        return self.process.wait(1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class OnATerminal(ToolTest):
    def start(self, *arguments: str, env: dict | None = None, tool: str = "accelctl") -> Terminal:
        terminal = Terminal(
            str(BUILD / "tools" / tool), "--root", str(self.machine.root), *arguments, env=env
        )
        self.addCleanup(terminal.close)
        return terminal

    def test_top_uses_the_alternate_screen_and_restores_the_terminal(self):
        self.machine.card()
        terminal = self.start("top", "-i", "0.1")
        terminal.expect("MEMORY")
        self.assertIn("\x1b[?1049h", terminal.seen)
        self.assertFalse(termios.tcgetattr(terminal.slave)[3] & termios.ECHO)
        terminal.key("q")
        self.assertEqual(terminal.end(), 0)
        self.assertIn("\x1b[?1049l", terminal.seen)
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    def test_keys_sort_pause_and_change_the_interval(self):
        self.machine.card()
        terminal = self.start("top", "-i", "0.2")
        terminal.expect("by compute")
        for key, text in (
            ("m", "by memory"),
            ("d", "by dma"),
            ("p", "by pid"),
            ("s", "by compute"),
            ("+", "every 0.1 s"),
            ("-", "every 0.2 s"),
            (" ", "PAUSED"),
        ):
            terminal.key(key)
            terminal.expect(text)
        terminal.key("\x03")
        self.assertEqual(terminal.end(), 0)

    def test_processes_are_in_the_requested_order(self):
        self.machine.card()
        for pid, name in ((10, "first"), (20, "second")):
            self.machine.process(pid, name, client=pid)
        terminal = self.start("top", "-i", "0.1", "--sort", "pid")
        terminal.expect("second")
        self.assertLess(terminal.seen.index("first"), terminal.seen.index("second"))

    def test_top_exits_on_a_signal_and_restores_the_terminal(self):
        self.machine.card()
        terminal = self.start("top", "-i", "0.1")
        terminal.expect("MEMORY")
        terminal.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    def test_top_reports_a_card_that_does_not_answer_and_still_quits(self):
        self.machine.card()
        terminal = self.start("top", "-i", "0.1")
        terminal.expect("MEMORY")
        # The child that reads the cards stops, as if it waited for a lock that a reset holds.
        os.kill(children(terminal.process.pid)[0], signal.SIGSTOP)
        terminal.expect("no answer for 2 s")
        terminal.key("q")
        self.assertEqual(terminal.end(), 0)

    def test_top_reports_a_card_that_is_gone_and_shows_it_when_it_is_back(self):
        self.machine.card()
        link = self.machine.root / "sys/bus/pci/devices/0000:01:00.0"
        target = os.readlink(link)
        terminal = self.start("top", "0", "-i", "0.1")
        terminal.expect("MEMORY")
        os.unlink(link)
        terminal.expect("0000:01:00.0 is gone")
        terminal.seen = ""
        os.symlink(target, link)
        terminal.expect("MEMORY")
        terminal.key("q")
        self.assertEqual(terminal.end(), 0)

    def test_a_frame_fits_a_small_terminal(self):
        self.machine.card()
        terminal = self.start("top", "-i", "0.1")
        fcntl.ioctl(terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 4, 20, 0, 0))
        terminal.seen = ""
        terminal.read(1)
        frame = terminal.seen.split("\x1b[H")[-2]
        self.assertLessEqual(frame.count("\r\n"), 3)

    def let_time_pass(self) -> None:
        """The clocks of the cards run, and their engines are busy, until the test ends."""
        stop = threading.Event()

        def run() -> None:
            for step in itertools.count(1):
                for node in (0, 1):
                    folder = self.machine.root / f"sys/class/accel-card/accel{node}/engines"
                    for name, value in (("clock_ns", 10**6), ("compute_busy_ns", 7 * 10**5)):
                        new = folder / f"{name}.new"
                        new.write_text(f"{step * value}\n")
                        new.rename(folder / name)
                if stop.wait(0.01):
                    return

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)

    def frame(self, rows: int, columns: int) -> list[str]:
        """The lines of a frame of `top` with two busy cards, without their colors."""
        queue = "running priority 1 completed 90 pending 0 dma 10 ns compute 20 ns"
        for node in (0, 1):
            address, port = f"0000:0{node + 1}:00.0", f"0000:00:0{node + 2}.0"
            self.machine.card(address, node, width=4, port=port)
        for pid in range(100, 110):
            self.machine.process(
                pid, f"process-{pid}", client=pid, queues=f"accel-queue-{pid}:\t{queue}\n"
            )
        terminal = self.start("top", "-i", "0.1")
        fcntl.ioctl(terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        terminal.expect("process-1")
        self.let_time_pass()
        frames: list[str] = []
        end = time.monotonic() + TIMEOUT
        # The first and the last frame of what was read may be incomplete.
        while len(frames) < 3 or "commands/s" not in frames[-2] or "last 1 " in frames[-2]:
            self.assertLess(time.monotonic(), end)
            terminal.seen = ""
            terminal.read(0.5)
            frames = terminal.seen.split("\x1b[H")
        lines = frames[-2].split("\r\n")
        return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).rstrip("\r") for line in lines]

    def test_on_80_columns_and_24_rows_no_line_wraps_and_the_title_stays(self):
        lines = self.frame(24, 80)
        self.assertEqual(len(lines), 24)
        self.assertTrue(lines[0].startswith("accelctl top "))
        self.assertTrue(lines[-1].startswith("q quit"))
        self.assertIn("more lines", lines[-2])
        self.assertLessEqual(max(map(len, lines)), 80)
        for words in ("irqs/s", "2 queues", "(downgraded)"):
            self.assertTrue(any(words in line for line in lines), words)

    def test_a_large_terminal_shows_the_history_of_the_engines(self):
        lines = self.frame(50, 200)
        self.assertEqual(len(lines), 50)
        self.assertLessEqual(max(map(len, lines)), 200)
        for title in ("accel0 COMPUTE, the last", "accel0 DMA", "accel1 COMPUTE", "accel1 DMA"):
            self.assertTrue(any(line.startswith(title) for line in lines), title)
        self.assertTrue(any(line.endswith("#") and "[" not in line for line in lines))

    def test_colors_are_for_terminals_only_and_can_be_forced_and_disabled(self):
        self.machine.card(state="failed")
        terminal = self.start("info")
        self.assertEqual(terminal.end(), 0)
        self.assertIn(RED, terminal.seen)
        self.assertNotIn("\x1b", self.ctl("info").stdout)
        self.assertIn(RED, self.ctl("--color", "always", "info").stdout)
        for arguments, env in (
            (("--color", "never", "info"), {}),
            (("info",), {"NO_COLOR": "1"}),
            (("info",), {"TERM": "dumb"}),
        ):
            terminal = self.start(*arguments, env=env)
            self.assertEqual(terminal.end(), 0)
            self.assertNotIn("\x1b", terminal.seen)

    def test_lsaccel_uses_colors_too(self):
        self.machine.card()
        terminal = self.start("-v", tool="lsaccel")
        self.assertEqual(terminal.end(), 0)
        self.assertIn(GREEN, terminal.seen)

    def test_a_long_reset_shows_a_progress_bar(self):
        folder = self.machine.card()
        os.mkfifo(self.machine.root / f"{folder}/reset".lstrip("/"))
        terminal = self.start("reset", "--timeout", "2")
        self.assertEqual(terminal.end(), 6)
        self.assertRegex(terminal.seen, r"Resetting accel0 \[#+\.+\]")
        self.assertNotIn("\x1b", self.ctl("reset", "--timeout", "1.5").stderr)

    def test_a_reset_that_affects_processes_asks_first(self):
        folder = self.machine.card()
        self.machine.write(f"{folder}/reset", "")
        self.machine.process(4711, "python3")
        terminal = self.start("reset")
        terminal.expect("Continue? [y/N]")
        terminal.key("n\n")
        self.assertEqual(terminal.end(), 1)
        self.assertIn("nothing was reset", terminal.seen)
        self.assertEqual((self.machine.root / f"{folder}/reset".lstrip("/")).read_text(), "\n")


if __name__ == "__main__":
    unittest.main()
